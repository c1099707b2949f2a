"""Layers and their arrays -> entries, for NNX and linen models alike."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flax import linen, nnx

from dilax.errors import DilaxError
from dilax.nn import SpectralNorm, WeightNorm

from .entry import Entry, Path, Slot
from .join import One
from .layout import Layout, Reshaped, Same, Shape
from .registry import FLAX_RULES, RULES
from .reparametrization import parts, weight_norm_keys
from .rule import ArrayRule, FlaxRule, JoinRule, Rule, ShapeOf

#: Layers that wrap another one: PyTorch has one layer in place of both. By the attribute that holds the inner one, what
#: becomes of the names of its arrays.
WRAPPERS: dict[type[Any], dict[str, str]] = {
    nnx.Sequential: {"layers": "{}"},
    **{kind: {"cell": "{}_l0"} for kind in (nnx.RNN, linen.RNN)},
    **{kind: {"forward_rnn": "{}", "backward_rnn": "{}_reverse"} for kind in (nnx.Bidirectional, linen.Bidirectional)},
    **{kind: {"layer_instance": "{}"} for kind in (nnx.WeightNorm, linen.WeightNorm)},
}


@dataclass(frozen=True)
class Layer:
    """One module of a model.

    Attributes:
        module: The module.
        path: Where it is.
        name: Its path in PyTorch.
        template: What becomes of its arrays' names.
        users: Whether its class is a user's own, so that what it holds directly has its attributes' names.
    """

    module: Any
    path: Path
    name: str
    template: str = "{}"
    users: bool = False

    def key(self, name: str) -> str:
        """Key of the array that its rule calls ``name``."""
        name = self.template.format(name)
        return f"{self.name}.{name}" if self.name else name


@dataclass
class Arrays:
    """The arrays of a model that no entry has yet.

    Attributes:
        held: By path of the module that holds them, and by name.
        normalized: Modules that stand for a parameter, by its path; ``held`` has what it is computed from.
        scales: Of a parameter with Flax's weight normalisation, by the parameter's path: the lengths, and a shape that
            makes them multiply the parameter.
    """

    held: dict[Path, dict[str, Slot]] = field(default_factory=dict)
    normalized: dict[Path, WeightNorm | SpectralNorm] = field(default_factory=dict)
    scales: dict[Path, tuple[Slot, Shape]] = field(default_factory=dict)

    def path(self, path: Path, name: str) -> Path:
        """Path of what a module calls ``name``, in which dots lead into modules below."""
        return (*path, *name.split("."))

    def shape(self, path: Path, name: str) -> Shape | None:
        """Shape of the array of that name, or None if there is none."""
        *module, last = self.path(path, name)
        slot = self.held.get(tuple(module), {}).get(last)
        return None if slot is None else tuple(slot.value.shape)

    def take(self, path: Path, name: str) -> Slot:
        """The array of that name, which is no longer left over."""
        *module, last = self.path(path, name)
        return self.held[tuple(module)].pop(last)

    def names(self, path: Path) -> list[str]:
        """Names of what a module holds itself."""
        computed = [last for *module, last in self.normalized if tuple(module) == path]
        return [*self.held.get(path, ()), *computed]


def inner(module: Any) -> Mapping[str, str]:
    """The attributes of a module that hold layers which it wraps, and what becomes of their names."""
    return next((WRAPPERS[kind] for kind in type(module).__mro__ if kind in WRAPPERS), {})


def broadcast(shape: Shape, axes: Iterable[int]) -> Shape:
    """The shape with 1 for every axis but those in ``axes``."""
    kept = {axis % len(shape) for axis in axes}
    return tuple(size if axis in kept else 1 for axis, size in enumerate(shape))


def match(layers: list[Layer], arrays: Arrays) -> list[Entry]:
    """Every array of a model that PyTorch has too, in the order of PyTorch's state_dict.

    Raises:
        DilaxError: A module holds arrays that no rule names, and is not the user's own.
    """
    found: list[Entry] = []
    for layer in layers:
        _refuse(layer, arrays)
        computed: list[Entry] = []
        for rule in _rules(layer, arrays):
            plain, normalized = _entries(layer, rule, arrays)
            found += plain
            computed += normalized
        found += computed  # PyTorch registers them after the others
    left = [
        f"{layer.name or 'the model'} ({type(layer.module).__name__}).{name}"
        for layer in layers
        for name in arrays.held.get(layer.path, ())
    ]
    if left:
        raise DilaxError(
            f"interop: no rule says what PyTorch calls {', '.join(left)}; "
            "build the model of layers that interop.rules names."
        )
    return found


def differences(layers: list[Layer]) -> tuple[str, ...]:
    """A sentence for each kind of layer whose options are not those of PyTorch's layer by default."""
    found: Counter[str] = Counter()
    for layer in layers:
        rule = rule_of(layer.module)
        if isinstance(rule, FlaxRule):
            other = {name: want for name, want in rule.defaults.items() if getattr(layer.module, name) != want}
            own = ", ".join(f"{name}={getattr(layer.module, name)}" for name in other)
            theirs = ", ".join(f"{name}={want}" for name, want in other.items())
            if other:
                found[f"{type(layer.module).__name__}: {own}; PyTorch's default is {theirs}"] += 1
    return tuple(f"{text} ({count} layer{'s' * (count > 1)})" for text, count in found.items())


def rule_of(module: Any) -> Rule | FlaxRule | None:
    """The rule of a module's class, or of the nearest one that it inherits from."""
    kinds = type(module).__mro__
    return next((known[kind] for kind in kinds for known in (RULES, FLAX_RULES) if kind in known), None)


def _rules(layer: Layer, arrays: Arrays) -> list[ArrayRule | JoinRule]:
    """Rules of the arrays that a module holds, as far as there are any."""
    rule, own = rule_of(layer.module), arrays.names(layer.path)
    if isinstance(rule, FlaxRule):
        if rule.arrays_of is None:
            return list(rule.arrays)
        return list(rule.arrays_of(layer.module, _shapes(layer, arrays)))
    if rule is None:
        return [ArrayRule(name, name) for name in own if layer.users]
    listed = [array for array in rule.arrays if array.flax_name in own]
    others = set(own) - {array.flax_name for array in listed} if rule.same_names else ()
    return [*listed, *(ArrayRule(name, name) for name in own if name in others)]


def _entries(layer: Layer, rule: ArrayRule | JoinRule, arrays: Arrays) -> tuple[list[Entry], list[Entry]]:
    """The entries of one rule: those of arrays as they are, and those of arrays that a parameter is computed from."""
    if isinstance(rule, JoinRule):
        keys = tuple(layer.key(name) for name in rule.torch_names)
        if any(arrays.shape(layer.path, name) is None for name in rule.flax_names):
            return [], []
        if any(arrays.path(layer.path, name) in arrays.scales for name in rule.flax_names):
            raise DilaxError(
                f"interop: the weight normalisation of {', '.join(keys)} has no equal in PyTorch; remove it, "
                "or use layers of dilax.nn."
            )
        slots = tuple(arrays.take(layer.path, name) for name in rule.flax_names)
        return [Entry(keys, slots, rule.join, rule.torch_dtype)], []
    rule = replace(rule, layout=rule.layout_of(layer.module)) if rule.layout_of else rule
    path = arrays.path(layer.path, rule.flax_name)
    if path in arrays.normalized:
        return [], [_entry(layer, part, arrays) for part in parts(rule, arrays.normalized.pop(path))]
    if arrays.shape(layer.path, rule.flax_name) is None:
        return [], []
    if path in arrays.scales:
        return [], _scaled(layer, rule, arrays)
    return [_entry(layer, rule, arrays)], []


def _entry(layer: Layer, rule: ArrayRule, arrays: Arrays) -> Entry:
    slot = arrays.take(layer.path, rule.flax_name)
    return Entry((layer.key(rule.torch_name),), (slot,), One(rule.layout), rule.torch_dtype)


def _scaled(layer: Layer, rule: ArrayRule, arrays: Arrays) -> list[Entry]:
    """Length and direction of a parameter that Flax normalises."""
    scale, broadcast = arrays.scales[arrays.path(layer.path, rule.flax_name)]
    layout: Layout = Same()
    if scale.value.ndim:
        layout = Reshaped(_layout(layer, rule, broadcast), broadcast, tuple(scale.value.shape))
    direction = arrays.take(layer.path, rule.flax_name)
    names = weight_norm_keys(rule.torch_name)
    return [
        Entry((layer.key(present),), (slot,), One(own), older=(layer.key(older),))
        for (present, older), slot, own in zip(names, (scale, direction), (layout, rule.layout), strict=True)
    ]


def _layout(layer: Layer, rule: ArrayRule, shape: Shape) -> Layout:
    """The layout of an array were its shape another one."""
    known = rule_of(layer.module)
    if isinstance(known, FlaxRule) and known.arrays_of is not None:
        rules = known.arrays_of(layer.module, lambda _name: shape)
        return next(one.layout for one in rules if isinstance(one, ArrayRule) and one.flax_name == rule.flax_name)
    return rule.layout


def _refuse(layer: Layer, arrays: Arrays) -> None:
    """Raise a DilaxError for a layer that has no equal in PyTorch."""
    rule = rule_of(layer.module)
    refusal = rule.refusal if isinstance(rule, FlaxRule) else None
    reason = refusal(layer.module, _shapes(layer, arrays)) if refusal else None
    if reason:
        kind = type(layer.module).__name__
        raise DilaxError(f"interop: {layer.name or 'the model'} ({kind}) has no equal in PyTorch: it {reason}.")


def _shapes(layer: Layer, arrays: Arrays) -> ShapeOf:
    return lambda name: arrays.shape(layer.path, name) or ()
