"""Compare a Flax model with the PyTorch module that it came from."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

from dilax.errors import DilaxError

from .capture import Arrays, flax_outputs, torch_outputs
from .report import LayerComparison, VerifyReport

# No float32 result is nearer to the truth than half a unit in its last place, on average about this share of it.
_ROUNDING = 2.0**-25


def verify(model: nnx.Module, reference: torch.nn.Module, x: Any) -> VerifyReport:
    """Run both models on one input in float64 and in float32 and compare every layer.

    Both run in evaluation mode, on copies: neither argument changes. The layers are paired by name, which dilax's
    models share with PyTorch's.

    Args:
        model: The Flax model.
        reference: The PyTorch module, with the same numbers.
        x: ``(N, *spatial, C)``, channels last; a NumPy or JAX array, used in float64 and in float32.

    Returns:
        Two figures for each layer; ``report.equal`` says whether all are within the limits of rounding.

    Raises:
        DilaxError: The models share no layer, or an output's shapes differ.
    """
    kinds = {name: type(module).__name__ for name, module in reference.named_modules()}
    truth, rounded = (
        torch_outputs(copy.deepcopy(reference).to(dtype).eval(), np.asarray(x, size))
        for dtype, size in ((torch.float64, np.float64), (torch.float32, np.float32))
    )
    with jax.enable_x64(True):
        double = flax_outputs(_evaluated(model, jnp.float64), np.asarray(x, np.float64))
    single = flax_outputs(_evaluated(model, jnp.float32), np.asarray(x, np.float32))
    shared = [name for name in truth if name in double]
    if not shared:
        raise DilaxError(
            f"verify: the {type(model).__name__} and the {type(reference).__name__} share no layer; "
            "pass models whose layers have the same names."
        )
    layers = tuple(_compare(name, kinds[name], truth, rounded, double, single) for name in shared)
    leaves = [name for name in shared if not any(reference.get_submodule(name).children())]
    not_compared = [
        name
        for name in dict.fromkeys([*kinds, *double])
        # What a compared layer is made of inside is that side's own affair.
        if name not in shared and not any(name.startswith(f"{leaf}.") for leaf in leaves)
    ]
    return VerifyReport(layers, tuple(not_compared))


def _evaluated(model: nnx.Module, dtype: Any) -> nnx.Module:
    """A copy in evaluation mode with its floating arrays in ``dtype``."""
    graph, state = nnx.split(model)
    state = jax.tree.map(lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, state)
    result = nnx.merge(graph, state)
    result.eval()
    return result


def _compare(name: str, kind: str, truth: Arrays, rounded: Arrays, double: Arrays, single: Arrays) -> LayerComparison:
    expected = truth[name]
    if double[name].shape != expected.shape:
        raise DilaxError(
            f"verify: layer {name!r} gives {double[name].shape} in Flax and {expected.shape} in PyTorch "
            "(channels last); build both models with the same options."
        )
    largest = float(np.abs(expected).max(initial=0.0))
    error = float(np.abs(double[name] - expected).max(initial=0.0))
    floor = _ROUNDING * _root_mean_square(expected)
    own = max(_root_mean_square(rounded[name] - expected), floor)
    other = _root_mean_square(single[name] - expected)
    return LayerComparison(
        name,
        kind,
        expected.shape,
        error / largest if largest else error,
        other / own if own else float(other > 0),
    )


def _root_mean_square(array: np.ndarray[Any, Any]) -> float:
    return float(np.sqrt(np.square(array, dtype=np.float64).mean())) if array.size else 0.0
