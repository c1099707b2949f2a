"""Weight and spectral normalisation of a torch.nn layer -> the same of the Flax layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from flax import nnx

from dilax.errors import DilaxError
from dilax.nn import spectral_norm, weight_norm
from dilax.nn.weight_norm import Form

from .rules import ArrayRule, Layout, Rule


@dataclass(frozen=True)
class _Normalization:
    """One normalised parameter: its name and shape, PyTorch's object for it, and the form that is in.

    The shape is that of an array that it is computed from: computing a spectral norm in training changes it.
    """

    name: str
    kind: str
    source: Any
    form: Form
    shape: tuple[int, ...]


def layer_type(module: Any) -> type[Any]:
    """The class of a torch.nn layer, below the one that a parametrization puts in its place."""
    return type(module).__bases__[0] if hasattr(module, "parametrizations") else type(module)


def reparametrize(layer: Any, module: Any, rule: Rule, *, rngs: nnx.Rngs, path: str) -> None:
    """Give a Flax layer the weight and spectral normalisations of a torch.nn layer.

    Raises:
        DilaxError: The layer has another parametrization, or one along an axis that the Flax array does not have.
    """
    for found in _found(module, path):
        array = next((array for array in rule.arrays if array.torch_name == found.name), None)
        array = ArrayRule(found.name, found.name) if array is None else array
        layout = array.layout_of(layer) if array.layout_of else array.layout
        dim = found.source.dim
        if found.kind == "WeightNorm":
            axis = None if dim in (None, -1) else _flax_axis(found, layout, path)
            weight_norm(layer, array.flax_name, dim=axis, form=found.form)
        else:
            axis = _flax_axis(found, layout, path)
            spectral_norm(
                layer,
                array.flax_name,
                dim=axis,
                n_power_iterations=found.source.n_power_iterations,
                eps=found.source.eps,
                form=found.form,
                rngs=rngs,
            )


def _found(module: Any, path: str) -> Iterator[_Normalization]:
    for hook in module._forward_pre_hooks.values():
        kind = type(hook).__name__
        if kind in ("WeightNorm", "SpectralNorm") and type(hook).__module__.startswith("torch.nn.utils."):
            origin = getattr(module, f"{hook.name}_{'v' if kind == 'WeightNorm' else 'orig'}")
            yield _Normalization(hook.name, kind, hook, "hook", tuple(origin.shape))
    for name, chain in getattr(module, "parametrizations", {}).items():
        kinds = [type(one).__name__.removeprefix("_") for one in chain]
        if len(kinds) > 1 or kinds[0] not in ("WeightNorm", "SpectralNorm"):
            what = f"{' of '.join(kinds)} of {path or 'the module'}.{name}"
            raise DilaxError(
                f"from_torch: the parametrization {what} has no equal in Flax; "
                "remove it with torch.nn.utils.parametrize.remove_parametrizations."
            )
        origin = chain.original1 if kinds[0] == "WeightNorm" else chain.original
        yield _Normalization(name, kinds[0], chain[0], "parametrization", tuple(origin.shape))


def _flax_axis(found: _Normalization, layout: Layout, path: str) -> int:
    """The axis of a Flax array that a normalisation is along."""
    dim = found.source.dim
    count = found.shape[dim]
    along = [1] * len(found.shape)
    along[dim] = count
    index = layout.to_flax(np.broadcast_to(np.arange(count).reshape(along), found.shape))
    moving = [axis for axis in range(index.ndim) if np.ptp(index, axis).any()]
    if count == 1:
        return index.shape.index(1)
    if len(moving) != 1 or index.shape[moving[0]] != count:
        raise DilaxError(
            f"from_torch: axis {dim} of {path or 'the module'}.{found.name} is no single axis in Flax, so a "
            "normalisation along it has no equal; remove it from the PyTorch layer first."
        )
    return moving[0]
