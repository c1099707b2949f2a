"""Go through an NNX model in PyTorch's order."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from flax import nnx

from .entry import Entry, Path, Slot
from .matching import Arrays, Layer, broadcast, inner, match, rule_of
from .reparametrization import REPARAMETRIZED
from .rule import FlaxRule

#: State that PyTorch keeps elsewhere, or not at all.
_NO_COUNTERPART = (nnx.RngState, nnx.Cache, nnx.Intermediate)


def entries(model: nnx.Module) -> list[Entry]:
    """Every array of an NNX model that PyTorch has too, in the order of PyTorch's state_dict.

    A module with a rule holds the arrays that the rule names. A module of the user's own, without a rule, may hold
    parameters (``nnx.Param``) and buffers (``nnx.BatchStat``) directly: their keys are the attributes' names, and their
    layout is as it is. Random numbers, caches and intermediate results are left out: PyTorch keeps none in a model.

    Raises:
        DilaxError: A module holds arrays that no rule names, and is not the user's own.
    """
    found = layers(model)
    paths = {id(variable): path for path, variable in nnx.iter_graph(model) if isinstance(variable, nnx.Variable)}
    arrays = Arrays()
    for layer in found:
        _collect(layer, arrays, paths)
    return match(found, arrays)


def modules(model: Any) -> Iterator[tuple[str, Any]]:
    """Every module of a model, itself first, with its dotted path in PyTorch, in order of definition.

    A module that stands for a parameter is none of them, nor is one that PyTorch has within a layer: what another
    wraps, and what Flax makes its own layers of.
    """
    names: set[str] = set()
    whole: Path | None = None
    for layer in layers(model):
        within = whole is not None and layer.path[: len(whole)] == whole
        if within or layer.name in names or not isinstance(layer.module, nnx.Module):
            continue
        names.add(layer.name)
        yield layer.name, layer.module
        rule = rule_of(layer.module)
        if isinstance(layer.module, nnx.RNN | nnx.Bidirectional) or (isinstance(rule, FlaxRule) and rule.torch_types):
            whole = layer.path


def layers(model: Any) -> list[Layer]:
    """The modules and containers of an NNX model, itself first, in order of definition."""
    return list(_below(model, (), (), "{}", frozenset()))


def _below(module: Any, path: Path, name: tuple[str, ...], template: str, above: frozenset[int]) -> Iterator[Layer]:
    above |= {id(module)}
    yield Layer(module, path, ".".join(name), template, _is_users(module))
    wrapped = inner(module)
    for key, child in _children(module):
        if not isinstance(child, nnx.Module | list | tuple | dict) or isinstance(child, REPARAMETRIZED):
            continue
        if id(child) in above:
            continue  # a reference back
        if key in wrapped:
            yield from _below(child, (*path, key), name, template.format(wrapped[key]), above)
        else:
            yield from _below(child, (*path, key), (*name, str(key)), "{}", above)


def _children(module: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(module, nnx.List | list | tuple):
        return enumerate(module)
    return iter((module if isinstance(module, dict) else vars(module)).items())


def _collect(layer: Layer, arrays: Arrays, paths: dict[int, Path]) -> None:
    """Put the arrays that a module itself holds with the others."""
    for key, value in _children(layer.module):
        if isinstance(value, REPARAMETRIZED):
            path = (*layer.path, str(key))
            arrays.normalized[path] = value
            for name, own in vars(value).items():
                if isinstance(own, nnx.Variable):
                    _hold(arrays, path, name, own, paths)
        elif isinstance(value, nnx.Variable) and not isinstance(value, _NO_COUNTERPART):
            _hold(arrays, layer.path, str(key), value, paths)
    if isinstance(layer.module, nnx.WeightNorm) and layer.module.scales:
        _collect_scales(layer, arrays)


def _hold(arrays: Arrays, path: Path, name: str, variable: nnx.Variable[Any], paths: dict[int, Path]) -> None:
    slot = Slot(paths[id(variable)], variable.get_value(), variable.set_value)
    arrays.held.setdefault(path, {})[name] = slot


def _collect_scales(layer: Layer, arrays: Arrays) -> None:
    module = layer.module
    axes = (module.feature_axes,) if isinstance(module.feature_axes, int) else module.feature_axes
    for below, scale in module.scales.items():
        slot = Slot((*layer.path, "scales", below), scale, partial(module.scales.__setitem__, below))
        variable: Any = module.layer_instance
        for key in below:
            variable = variable[key] if isinstance(key, int) else getattr(variable, key)
        path = (*layer.path, "layer_instance", *below)
        arrays.scales[path] = slot, broadcast(tuple(variable.shape), axes)


def _is_users(module: Any) -> bool:
    """Whether a module's class is not, and inherits from none of, Flax's layers, whose layouts would need rules."""
    first = next((kind for kind in type(module).__mro__ if kind.__module__.startswith("flax.")), None)
    return first in (None, nnx.Module, nnx.List, nnx.Dict)
