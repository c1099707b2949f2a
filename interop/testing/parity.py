"""The assertion of a cross-framework test."""

from collections.abc import Sequence
from typing import Any

from flax import nnx

from dilax.errors import MissingDependency

try:
    import torch as torch
except ImportError as error:
    raise MissingDependency("assert_parity", "torch", "torch") from error

from ..verification import VerifyReport, verify
from .recording import record


def assert_parity(
    torch_module: torch.nn.Module,
    flax_model: nnx.Module,
    *inputs: Any,
    gradients: bool = True,
    training: bool = False,
    steps: int = 0,
    channels: bool | Sequence[bool] | None = None,
) -> VerifyReport:
    """Fail unless a Flax model computes what a PyTorch module computes, in every layer.

    This is the way to write a cross-framework test. Both run on copies, in float64, where the relative error must be
    within 1e-12, and in float32, where Flax's result must be as near to the float64 one as PyTorch's; see
    :func:`interop.verify`. No tolerance is passed, so none can be loosened. With ``pytest --parity-report=DIR`` what
    was compared is also written there, as JSON and as a page to look at.

    Args:
        torch_module: The PyTorch module; :func:`randomise` it first, so that no initial value hides a mistake.
        flax_model: The Flax model, filled with the module's numbers, e.g. with :func:`interop.load`.
        inputs: The models' arguments as Flax takes them: feature maps ``(N, *spatial, C)``, NumPy or JAX arrays.
        gradients: Whether to compare the gradients of parameters and floating inputs too.
        training: Whether both run in training mode, and batch statistics are compared; dropouts must be off.
        steps: Training steps after each of which the parameters are compared; 0 for none.
        channels: Whether the inputs have channels, last in Flax and second in PyTorch; one answer, or one for each. If
            None, floating inputs of three or more axes do; pass False for sequences.

    Returns:
        The report of what was compared.

    Raises:
        MismatchError: Something differs; the message lists what, and begins with the first layer that does.
        DilaxError: The models cannot be compared.
    """
    __tracebackhide__ = True
    report = verify(
        torch_module, flax_model, inputs, training=training, gradients=gradients, steps=steps, channels=channels
    )
    record(report)
    report.raise_if_different()
    return report
