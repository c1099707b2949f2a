"""The parameters that PyTorch trains, and arrays of their layouts; alone here in asking how an array is laid out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flax import nnx

from dilax.errors import DilaxError

from ..arrays import to_numpy
from ..rules import FLAX_RULES, RULES, Entry, Path, entries, modules
from ..rules import to_flax as laid_out_as_flax
from ..rules import to_torch as laid_out_as_torch

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Trainable:
    """One parameter of the PyTorch model.

    Attributes:
        key: Its name there.
        shape: Its shape there.
        paths: Dotted paths of the Flax variables that hold it.
    """

    key: str
    shape: tuple[int, ...]
    paths: tuple[str, ...]


def trainables(model: nnx.Module) -> list[Trainable]:
    """The parameters in the order of PyTorch's ``module.parameters()``; one that is shared comes once."""
    return [
        Trainable(key, shape, tuple(map(_dotted, _paths(entry))))
        for entry in _trained(model)
        for key, shape in zip(entry.keys, entry.torch_shapes, strict=True)
    ]


def keeps_order(model: nnx.Module) -> bool:
    """Whether the attributes of the model's own modules are certainly in the order in which they were defined.

    ``nnx.jit``, ``nnx.merge`` and ``copy.deepcopy`` sort them, those of layers too; a module whose layers are all
    sorted is taken to have been through one of these.
    """
    return not any(
        type(module) not in (*RULES, *FLAX_RULES, nnx.List)
        and len(_attributes(module)) > 1
        and all(_is_sorted(inner) for _, inner in modules(module))
        for _, module in modules(model)
    )


def to_flax(model: nnx.Module, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays like the parameters, by PyTorch's key -> in Flax's layout, by the variable's path."""
    found = [entry for entry in _trained(model) if entry.keys[0] in arrays]
    held = {entry.keys[0]: to_numpy(arrays[entry.keys[0]]) for entry in found}
    return {_dotted(path): array for path, array in laid_out_as_flax(found, held).items()}


def to_torch(model: nnx.Module, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """The inverse of :func:`to_flax`, bit for bit."""
    found = [entry for entry in _trained(model) if all(_dotted(path) in arrays for path in _paths(entry))]
    held = {path: np.asarray(arrays[_dotted(path)]) for entry in found for path in _paths(entry)}
    return laid_out_as_torch(found, held)


def _attributes(module: Any) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


def _is_sorted(module: Any) -> bool:
    return isinstance(module, nnx.List) or _attributes(module) == sorted(_attributes(module))


def _trained(model: nnx.Module) -> list[Entry]:
    params = nnx.to_flat_state(nnx.state(model, nnx.Param))
    trained = {path for path, _ in params}
    first: dict[tuple[Path, ...], Entry] = {}
    for entry in entries(model):
        paths = _paths(entry)
        if not paths or not trained.issuperset(paths):
            continue
        if len(entry.keys) > 1:  # PyTorch updates each; their sum has no moments of its own
            raise DilaxError(
                f"interop.optimizer: {' and '.join(entry.keys)} are one array in Flax, so an optimizer's state of them "
                "has no equal; use the layer of dilax.nn, which keeps both."
            )
        first.setdefault(paths, entry)
    return list(first.values())


def _paths(entry: Entry) -> tuple[Path, ...]:
    return tuple(slot.path for slot in entry.slots)


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
