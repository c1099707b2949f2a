"""Which parameter each number in a PyTorch optimizer's state stands for."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dilax.errors import MismatchError, nearest

from .layouts import Trainable

# Partial assignments kept at a time; more means that the shapes say little.
_WIDTH = 4096
_FIX = "pass groups=, the keys of each group's parameters or patterns of them, e.g. [['*.weight'], ['*.bias']]"

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Held:
    """A parameter as the optimizer knows it.

    Attributes:
        index: Its number.
        shape: Of the moments kept of it; None where there are none.
    """

    index: int
    shape: Shape | None


def named_groups(selectors: Sequence[Sequence[str]] | None, trained: Sequence[Trainable]) -> list[list[str]]:
    """Keys of each group's parameters.

    Raises:
        MismatchError: A key or pattern fits nothing, or two groups hold one parameter.
    """
    keys = [trainable.key for trainable in trained]
    if selectors is None:
        return [keys]
    groups: list[list[str]] = []
    problems: list[str] = []
    for number, group in enumerate(selectors):
        problems += [
            f"group {number}: {selector!r} is no parameter of the model{nearest(selector, keys)}"
            for selector in group
            if selector not in keys and not fnmatch.filter(keys, selector)
        ]
        exact = all(selector in keys for selector in group)
        found = list(group) if exact else [key for key in keys if any(_selects(one, key) for one in group)]
        taken = {key: other for other, earlier in enumerate(groups) for key in earlier}
        problems += [f"group {number}: {key} is in group {taken[key]} too" for key in found if key in taken]
        groups.append(found)
    if problems:
        raise MismatchError("groups", "the groups do not fit the model", problems, "name each parameter in one group")
    return groups


def by_names(groups: Sequence[Sequence[str]], held: Sequence[Sequence[Held]], trained: Sequence[Trainable]) -> None:
    """Compare named groups with the optimizer's.

    Raises:
        MismatchError: Counts or shapes disagree; all are listed.
    """
    shapes = {trainable.key: trainable.shape for trainable in trained}
    problems = []
    if len(groups) != len(held):
        problems.append(f"the optimizer has {len(held)} groups, and {len(groups)} are named")
    for number, (names, known) in enumerate(zip(groups, held, strict=False)):
        if len(names) != len(known):
            problems.append(f"group {number}: holds {len(known)} parameters, and {len(names)} are named")
            continue
        problems += [
            f"shape: number {one.index} is {list(one.shape)}, the model's {name} {list(shapes[name])}"
            for name, one in zip(names, known, strict=True)
            if one.shape is not None and one.shape != shapes[name]
        ]
    if problems:
        raise MismatchError("resume_torch", "the optimizer's state is not that of these parameters", problems, _FIX)


def by_order(held: Sequence[Sequence[Held]], trained: Sequence[Trainable]) -> list[list[str]]:
    """Keys of each group's parameters, where PyTorch saved numbers alone.

    Within a group the order is the model's. So one group of all parameters is told by its length, and several are told
    if the shapes of what is kept leave one way only to deal the model's parameters out to them.

    Raises:
        MismatchError: There is no way, or there are several.
    """
    total = sum(map(len, held))
    problems = []
    if total != len(trained):
        problems.append(f"the optimizer trains {total} parameters, the model has {len(trained)}")
    elif len(held) == 1:
        groups = [[trainable.key for trainable in trained]]
        by_names(groups, held, trained)
        return groups
    else:
        ways, groups = _deal(held, trained)
        if ways == 1:
            return groups
        problems.append(
            "no way to deal the model's parameters out to the groups agrees with the shapes of what is kept of them"
            if ways == 0
            else f"the {len(held)} groups hold numbers without names, and the shapes leave several ways to tell them"
        )
        problems += _sketch(held)
    raise MismatchError("resume_torch", "the optimizer's parameters cannot be told", problems, _FIX)


def _selects(selector: str, key: str) -> bool:
    return selector == key or fnmatch.fnmatchcase(key, selector)


def _deal(held: Sequence[Sequence[Held]], trained: Sequence[Trainable]) -> tuple[int, list[list[str]]]:
    """How many ways there are (2 for more than one), and the last one's groups, if it is the only one.

    A partial way is how many parameters each group has; along the model's order it is kept how many lead to it, and the
    group that got the latest.
    """
    steps: list[Mapping[tuple[int, ...], tuple[int, int]]] = []
    front: dict[tuple[int, ...], tuple[int, int]] = {(0,) * len(held): (1, -1)}
    for trainable in trained:
        following: dict[tuple[int, ...], tuple[int, int]] = {}
        for counts, (ways, _) in front.items():
            for number, group in enumerate(held):
                at = counts[number]
                if at == len(group) or group[at].shape not in (None, trainable.shape):
                    continue
                new = (*counts[:number], at + 1, *counts[number + 1 :])
                following[new] = (min(2, ways + following.get(new, (0, 0))[0]), number)
        if len(following) > _WIDTH:
            return 2, []
        steps.append(following)
        front = following
    end = tuple(map(len, held))
    ways = front[end][0] if end in front else 0
    groups: list[list[str]] = [[] for _ in held]
    if ways == 1:
        for trainable, step in zip(reversed(trained), reversed(steps), strict=True):
            number = step[end][1]
            groups[number].insert(0, trainable.key)
            end = (*end[:number], end[number] - 1, *end[number + 1 :])
    return ways, groups


def _sketch(held: Sequence[Sequence[Held]]) -> list[str]:
    def shape(one: Held) -> Any:
        return "?" if one.shape is None else list(one.shape)

    return [
        f"group {number}: {len(group)} parameters, {', '.join(str(shape(one)) for one in group[:4])}"
        f"{', …' if len(group) > 4 else ''}"
        for number, group in enumerate(held)
    ]
