"""The layers of a model that hold arrays, described alike on both sides."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from flax import nnx

from ..reparametrizing import layer_type
from ..rules import FLAX_RULES, RULES, TORCH_RULES, entries, layers
from ..rules.rule import Rule
from ..verification.layouts import torch_rule

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """A layer of one model, or an array that a module of the user's own holds.

    Attributes:
        names: Its dotted paths, several where a model holds it under several names; of an array, its keys.
        kind: What it is, the same for all types of layer that one rule can pair; ``"array"`` for an array.
        type_name: Its type, for messages.
        arrays: Names below its path and PyTorch's shapes of its arrays; of an array, ``""`` and its shape.
        channels: Whether its inputs and outputs are feature maps, whose channels PyTorch has second.
    """

    names: tuple[str, ...]
    kind: str
    type_name: str
    arrays: tuple[tuple[str, Shape], ...]
    channels: bool = False

    @property
    def label(self) -> tuple[Any, ...]:
        """What two layers that may be paired have in common."""
        return (self.kind, *sorted(self.arrays))

    def keys(self, name: str) -> list[str]:
        """Its keys in a state_dict under one of its names."""
        return [join(name, part) for part, _ in self.arrays]

    def __str__(self) -> str:
        shapes = ", ".join(f"{part} {list(shape)}".strip() for part, shape in self.arrays)
        return f"{' = '.join(self.names) or 'the model itself'} ({self.type_name}: {shapes})"


def join(path: str, name: str) -> str:
    """A dotted path, of which either part may be empty."""
    return f"{path}.{name}" if path and name else path or name


def holders(described: list[Layer]) -> dict[str, set[int]]:
    """The places of the layers that hold the array of each key."""
    found: dict[str, set[int]] = {}
    for place, layer in enumerate(described):
        for name in layer.names:
            for key in layer.keys(name):
                found.setdefault(key, set()).add(place)
    return found


def torch_layers(module: torch.nn.Module) -> tuple[list[Layer], dict[Hashable, int]]:
    """The layers of a PyTorch module in order of definition, and their places by ``id`` of module or tensor."""
    held = module.state_dict(keep_vars=True)
    named = [(path, child, _torch_type(child)) for path, child in module.named_modules(remove_duplicate=False)]
    shapes = {key: tuple(array.shape) for key, array in held.items()}
    return _described(named, shapes, {key: id(array) for key, array in held.items()})


def flax_layers(model: nnx.Module) -> tuple[list[Layer], dict[Hashable, int]]:
    """The layers of a Flax model in order of definition, and their places by ``id`` of module or path of array."""
    named: dict[str, tuple[Any, str | None]] = {}
    for layer in layers(model):
        module, known = named.get(layer.name, (layer.module, None))  # the outer of two of one name wraps the other
        named[layer.name] = module, known or _flax_type(layer.module)
    shapes: dict[str, Shape] = {}
    paths: dict[str, Hashable] = {}
    for entry in entries(model):
        shapes |= dict(zip(entry.keys, entry.torch_shapes, strict=True))
        paths |= {key: slot.path for key, slot in zip(entry.keys, entry.slots, strict=False)}
    return _described([(name, *found) for name, found in named.items()], shapes, paths)


def _described(
    named: list[tuple[str, Any, str | None]], shapes: Mapping[str, Shape], identities: Mapping[str, Hashable]
) -> tuple[list[Layer], dict[Hashable, int]]:
    paths: dict[Hashable, list[str]] = {}
    found: dict[Hashable, Layer] = {}
    remaining = dict(shapes)
    for path, child, torch_type in named:
        inside = f"{path}." if path else ""
        own = [key for key in remaining if key.startswith(inside)] if torch_type else []
        if torch_type is None or not own:  # no layer, or one without arrays, or a part of one that is there already
            continue
        paths.setdefault(id(child), []).append(path)
        arrays = tuple((key.removeprefix(inside), remaining.pop(key)) for key in own)
        channels = TORCH_RULES[torch_type].channels
        kind = _KINDS[torch_type]
        found.setdefault(id(child), Layer((), kind, layer_type(child).__name__, arrays, channels))
    for key, shape in remaining.items():
        paths.setdefault(identities[key], []).append(key)
        found.setdefault(identities[key], Layer((), "array", "array", (("", shape),)))
    described = [
        Layer(tuple(paths[identity]), layer.kind, layer.type_name, layer.arrays, layer.channels)
        for identity, layer in found.items()
    ]
    return described, {identity: place for place, identity in enumerate(found)}


def _torch_type(module: torch.nn.Module) -> str | None:
    """The layer with arrays of its own that a module is; a transformer is none, and its parts are layers."""
    known = torch_rule(module)
    return known[0] if known is not None and _holds_arrays(known[1]) else None


def _flax_type(module: Any) -> str | None:
    """The name of the PyTorch layer with arrays of its own that a Flax module is."""
    for kind in type(module).__mro__:
        if kind in FLAX_RULES:
            return FLAX_RULES[kind].torch_types[0]
        if kind in RULES:
            return RULES[kind].torch_types[0] if _holds_arrays(RULES[kind]) else None
    return None


def _holds_arrays(rule: Rule) -> bool:
    return bool(rule.arrays) or rule.same_names


def _kinds() -> Iterator[tuple[str, str]]:
    """Names of PyTorch's layers with one name for all of those that rules connect."""
    groups: list[set[str]] = []
    ours = [rule.torch_types for rule in RULES.values()]
    for names in [*ours, *(rule.torch_types for rule in FLAX_RULES.values()), *_CELLS]:
        touching = [group for group in groups if group & set(names)]
        groups = [group for group in groups if group not in touching]
        groups.append(set(names).union(*touching))
    for group in groups:
        for name in group:
            yield name, min(group)


# In Flax a layer over a sequence is a cell that another module repeats; the arrays' names tell them apart.
_CELLS = (("LSTM", "LSTMCell"), ("GRU", "GRUCell"), ("RNN", "RNNCell"))

_KINDS = dict(_kinds())
