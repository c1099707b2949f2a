"""The layers of a model that hold arrays, described alike on both sides."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from flax import nnx

from ..rules import RULES, TORCH_RULES, Rule, entries, modules

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


def holders(layers: list[Layer]) -> dict[str, set[int]]:
    """The places of the layers that hold the array of each key."""
    found: dict[str, set[int]] = {}
    for place, layer in enumerate(layers):
        for name in layer.names:
            for key in layer.keys(name):
                found.setdefault(key, set()).add(place)
    return found


def torch_layers(module: torch.nn.Module) -> tuple[list[Layer], dict[int, int]]:
    """The layers of a PyTorch module in order of definition, and their places by ``id`` of module or tensor."""
    held = module.state_dict(keep_vars=True)
    named = [(path, child, _torch_rule(child)) for path, child in module.named_modules(remove_duplicate=False)]
    shapes = {key: tuple(array.shape) for key, array in held.items()}
    return _described(named, shapes, {key: id(array) for key, array in held.items()})


def flax_layers(model: nnx.Module) -> tuple[list[Layer], dict[int, int]]:
    """The layers of a Flax model in order of definition, and their places by ``id`` of module or variable."""
    found = entries(model)
    named = [(path, child, _flax_rule(child)) for path, child in modules(model)]
    shapes = {entry.key: entry.torch_shape for entry in found}
    return _described(named, shapes, {entry.key: id(entry.variable) for entry in found})


def _described(
    named: list[tuple[str, Any, tuple[str, Rule] | None]], shapes: Mapping[str, Shape], identities: Mapping[str, int]
) -> tuple[list[Layer], dict[int, int]]:
    paths: dict[int, list[str]] = {}
    found: dict[int, Layer] = {}
    remaining = dict(shapes)
    for path, child, known in named:
        if known is None:
            continue
        inside = f"{path}." if path else ""
        own = [key for key in remaining if key.startswith(inside)]
        if not own:  # it holds nothing, or belongs to a layer that is already there
            continue
        paths.setdefault(id(child), []).append(path)
        arrays = tuple((key.removeprefix(inside), remaining.pop(key)) for key in own)
        type_name, rule = known
        found.setdefault(id(child), Layer((), _KINDS[rule.torch_types[0]], type_name, arrays, rule.channels))
    for key, shape in remaining.items():
        paths.setdefault(identities[key], []).append(key)
        found.setdefault(identities[key], Layer((), "array", "array", (("", shape),)))
    layers = [
        Layer(tuple(paths[identity]), layer.kind, layer.type_name, layer.arrays, layer.channels)
        for identity, layer in found.items()
    ]
    return layers, {identity: place for place, identity in enumerate(found)}


def _torch_rule(module: torch.nn.Module) -> tuple[str, Rule] | None:
    for kind in type(module).__mro__:
        if kind.__module__.startswith(("torch.nn.", "torchvision.ops.")) and kind.__name__ in TORCH_RULES:
            rule = TORCH_RULES[kind.__name__]
            return (kind.__name__, rule) if _holds_arrays(rule) else None
    return None


def _flax_rule(module: Any) -> tuple[str, Rule] | None:
    rule = next((RULES[kind] for kind in type(module).__mro__ if kind in RULES), None)
    return (type(module).__name__, rule) if rule and _holds_arrays(rule) else None


def _holds_arrays(rule: Rule) -> bool:
    """Whether a layer has arrays of its own; a transformer has none, and its parts are layers."""
    return bool(rule.arrays) or rule.same_names


def _kinds() -> Iterator[tuple[str, str]]:
    """Names of PyTorch's layers with one name for all of those that rules connect."""
    groups: list[set[str]] = []
    for rule in (*TORCH_RULES.values(), *RULES.values()):
        touching = [group for group in groups if group & set(rule.torch_types)]
        groups = [group for group in groups if group not in touching]
        groups.append(set(rule.torch_types).union(*touching))
    for group in groups:
        for name in group:
            yield name, min(group)


_KINDS = dict(_kinds())
