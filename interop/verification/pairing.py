"""Which output of PyTorch's is which of Flax's: by the paths of the modules, in PyTorch's order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from .layouts import Array, channels_back, choose_axis, torch_rule
from .torch_side import Call


@dataclass(frozen=True)
class Pair:
    """One array that both sides give.

    Attributes:
        call: Name of the call, on both sides.
        place: Where the array is in PyTorch's output.
        flax_place: Where it is in Flax's.
        kind: Type of the PyTorch layer.
        axis: Where PyTorch has the channels that Flax has last, or None.
    """

    call: str
    place: str
    flax_place: str
    kind: str
    axis: int | None

    @property
    def name(self) -> str:
        """Name in a report."""
        return f"{self.call}{self.place}"


@dataclass(frozen=True)
class Pairing:
    """All pairs, and a phrase for each module that is in none."""

    pairs: tuple[Pair, ...]
    not_compared: tuple[str, ...]

    def for_torch(self, directions: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays shaped as Flax's outputs, by place, as arrays shaped as PyTorch's."""
        return {
            pair.place: channels_back(directions[pair.flax_place], pair.axis)
            for pair in self.pairs
            if pair.call == "" and pair.flax_place in directions
        }


def pair_outputs(
    module: torch.nn.Module, calls: Mapping[str, Call], outputs: Mapping[str, Mapping[str, Array]]
) -> Pairing:
    """Join the outputs of two runs by name.

    Args:
        module: The PyTorch module.
        calls: Its calls by name, in order.
        outputs: Flax's outputs by name of the call and place.
    """
    axes: dict[int, int | None] = {}  # of tensors by identity, from the layers whose rule says it
    unequal = _counts(calls, outputs)
    pairs: list[Pair] = []
    for name, call in calls.items():
        if name not in outputs or call.path in unequal:
            continue
        rule = torch_rule(call.module)
        for place, flax_place in _places(call.arrays, outputs[name]).items():
            tensor = call.tensors[place]
            axis = choose_axis(
                call.arrays[place], outputs[name][flax_place], rule, axes.get(id(tensor), "unknown")
            )  # fmt: skip
            if (rule is not None and rule[1].channels) or id(tensor) not in axes:
                axes[id(tensor)] = axis
            pairs.append(Pair(name, place, flax_place, call.kind, axis))
    return Pairing(tuple(pairs), tuple(_not_compared(module, calls, outputs, unequal)))


def _places(theirs: Iterable[str], ours: Iterable[str]) -> dict[str, str]:
    """Flax's places by PyTorch's; where each side has one array, these belong together whatever is around them."""
    first, second = list(theirs), list(ours)
    if len(first) == len(second) == 1:
        return {first[0]: second[0]}
    return {place: place for place in first if place in second}


def _path(name: str) -> str:
    return name.partition("#")[0]


def _counts(calls: Mapping[str, Call], outputs: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """How often modules run that do not run equally often on both sides."""
    theirs, ours = ([_path(name) for name in names] for names in (calls, outputs))
    counts = {path: (theirs.count(path), ours.count(path)) for path in dict.fromkeys([*theirs, *ours])}
    return {path: pair for path, pair in counts.items() if pair[0] != pair[1] and 0 not in pair}


def _not_compared(
    module: torch.nn.Module,
    calls: Mapping[str, Call],
    outputs: Mapping[str, Any],
    unequal: Mapping[str, tuple[int, int]],
) -> Iterable[str]:
    theirs, ours = ({_path(name) for name in names} for names in (calls, outputs))
    # What a layer with a rule, or without parts, is made of on the other side is that side's own affair.
    whole = {
        name
        for name, one in module.named_modules()
        if name and name in ours & theirs and (torch_rule(one) is not None or not any(one.children()))
    }

    def inside(path: str) -> bool:
        return any(path.startswith(f"{outer}.") for outer in whole)

    for name, one in module.named_modules():
        if inside(name) or name in ours & theirs - unequal.keys():
            continue
        if name in unequal:
            yield f"{name} (runs {unequal[name][0]} times in PyTorch, {unequal[name][1]} in Flax)"
        elif name in theirs and calls[name].arrays:
            yield f"{name or 'output'} (in PyTorch alone)"
        elif name not in theirs and any(True for _ in one.parameters(recurse=False)):
            yield f"{name} (does not run)"
    for name in dict.fromkeys(_path(name) for name in outputs):
        if name not in theirs and not inside(name):
            yield f"{name or 'output'} (in Flax alone)"
