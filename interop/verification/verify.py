"""Compare a Flax model with the PyTorch module that it came from."""

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from flax import nnx

from dilax.errors import ArgumentError

from .comparing import Comparison
from .diagnosis import diagnose
from .dropouts import check_dropouts
from .inputs import prepare
from .report import VerifyReport
from .trajectory import check_optimizer, default_optimizer


def verify(
    torch_module: torch.nn.Module,
    model: nnx.Module,
    inputs: Any,
    *,
    training: bool = False,
    gradients: bool = False,
    steps: int = 0,
    optimizer: torch.optim.Optimizer | None = None,
    channels: bool | Sequence[bool] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Run both models on the same inputs in float64 and in float32 and compare every layer.

    Both run on copies: neither argument changes. Layers are paired by name, and their calls by order. Two figures are
    compared: the relative error in float64, at most 1e-12 (the proof), and ``R``, how much further from the float64
    result JAX's float32 result is than PyTorch's, at most 2 (the quality), with a larger limit for arrays of fewer than
    47 numbers, where luck alone reaches 2. R is taken over four draws of the inputs, slightly changed, and over sixteen
    where four leave a doubt.

    The first layer that differs runs once more alone, on PyTorch's own input, and what is known to go wrong in
    conversions is tried on it.

    Args:
        torch_module: The PyTorch module.
        model: The Flax model with the same numbers.
        inputs: One array or a tuple of them, as the Flax model takes them, channels last; NumPy or JAX arrays.
        training: Whether to run in training mode and compare batch statistics too; dropouts must be off.
        gradients: Whether to compare the gradients of all parameters and floating inputs as well, of the sum of the
            outputs times fixed random numbers. A gradient is a sum whose terms may cancel, so its error is over its own
            largest magnitude or a hundredth of the largest of all gradients, whichever is more.
        steps: Training steps after which the parameters are compared, after each; 0 for none. The loss is the mean
            squared distance of the outputs from fixed random numbers.
        optimizer: What makes the steps, an optimizer that :class:`interop.TorchOptimizer` knows, of the module's
            parameters; its equal in optax does it in JAX. Others, and frozen parameters, stay as they are. SGD with
            learning rate 0.01 and momentum 0.9 if None. Only of SGD's steps R is taken.
        channels: Whether the inputs have channels, last in Flax and on axis 1 in PyTorch; one answer, or one for each
            input. If None, floating inputs of three or more axes do; pass False for sequences.
        progress: Called with how many runs are done, and how many there are.

    Returns:
        Both figures for each array; ``report.equal`` says whether float64 agrees everywhere and the outputs are as
        near to it in float32 as PyTorch's.

    Raises:
        ArgumentError: An argument is of another kind.
        DilaxError: The models share no layer, dropouts are active in training, a layer of Flax has no rule but its
            arrays are asked for, or the optimizer has no equal.
    """
    _check(torch_module, model, steps)
    given = prepare(inputs, channels)
    if training:
        check_dropouts(torch_module, model)
    if steps:
        optimizer = default_optimizer(torch_module) if optimizer is None else optimizer
        check_optimizer(optimizer, torch_module)
    comparison = Comparison(
        torch_module, model, given, training=training, gradients=gradients, steps=steps, optimizer=optimizer,
        progress=progress,
    )  # fmt: skip
    rows = comparison.rows()
    report = VerifyReport(
        rows["output"],
        (*comparison.pairing.not_compared, *comparison.left_out),
        rows["statistic"],
        rows["gradient"],
        rows["parameter"],
        draws=comparison.draws,
        steps=steps,
        training=training,
        model=(type(torch_module).__name__, type(model).__name__),
        versions={name: _version(name) for name in ("torch", "jax", "flax", "dilax-nn")},
    )
    return diagnose(report, comparison)


def _check(torch_module: Any, model: Any, steps: int) -> None:
    if not isinstance(torch_module, torch.nn.Module):
        raise ArgumentError(
            "verify", "torch_module", type(torch_module).__name__, "is no PyTorch module",
            "pass the PyTorch module first, then the Flax model",
        )  # fmt: skip
    if not isinstance(model, nnx.Module | nnx.List):
        raise ArgumentError(
            "verify", "model", type(model).__name__, "is no Flax NNX module", "pass the Flax model second"
        )
    if steps < 0:
        raise ArgumentError("verify", "steps", steps, "is below 0", "pass how many training steps to make")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
