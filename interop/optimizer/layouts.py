"""The parameters that PyTorch trains, and arrays of their layouts; alone here in asking how an array is laid out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flax import nnx

from ..arrays import to_numpy
from ..rules import RULES, Entry, entries, modules

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
    paths = _paths(model)
    return [Trainable(entry.key, entry.torch_shape, (paths[id(entry.variable)],)) for entry in _trained(model)]


def keeps_order(model: nnx.Module) -> bool:
    """Whether the attributes of the model's own modules are certainly in the order in which they were defined.

    ``nnx.jit``, ``nnx.merge`` and ``copy.deepcopy`` sort them, those of layers too; a module whose layers are all
    sorted is taken to have been through one of these.
    """
    return not any(
        type(module) not in RULES and not isinstance(module, nnx.List) and len(_attributes(module)) > 1
        and all(_is_sorted(inner) for _, inner in modules(module))
        for _, module in modules(model)
    )  # fmt: skip


def to_flax(model: nnx.Module, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays like the parameters, by PyTorch's key -> in Flax's layout, by the variable's path."""
    paths = _paths(model)
    return {
        paths[id(entry.variable)]: entry.rule.layout.to_flax(to_numpy(arrays[entry.key]))
        for entry in _trained(model)
        if entry.key in arrays
    }


def to_torch(model: nnx.Module, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """The inverse of :func:`to_flax`, bit for bit."""
    paths = _paths(model)
    return {
        entry.key: np.ascontiguousarray(entry.rule.layout.to_torch(np.asarray(arrays[paths[id(entry.variable)]])))
        for entry in _trained(model)
        if paths[id(entry.variable)] in arrays
    }


def _attributes(module: Any) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


def _is_sorted(module: Any) -> bool:
    return isinstance(module, nnx.List) or _attributes(module) == sorted(_attributes(module))


def _trained(model: nnx.Module) -> list[Entry]:
    first: dict[int, Entry] = {}
    for entry in entries(model):
        if isinstance(entry.variable, nnx.Param):
            first.setdefault(id(entry.variable), entry)
    return list(first.values())


def _paths(model: nnx.Module) -> dict[int, str]:
    """Path of each variable as ``nnx.state`` names it, which gives a shared one the first in its own order."""
    return {
        id(node): ".".join(map(str, path))
        for path, node in reversed(list(nnx.iter_graph(model)))
        if isinstance(node, nnx.Variable)
    }
