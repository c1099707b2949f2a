"""PyTorch's ways to write a convolution's arguments, made uniform and checked before anything runs."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np

from ..errors import ArgumentError, nearest, similar

Pads = tuple[tuple[int, int], ...]
Padding = int | Literal["same", "valid"] | Sequence[int] | Sequence[tuple[int, int]]

# Of more names than these an error lists those alone that are like the one that was passed.
_LISTED = 20


def per_axis(function: str, name: str, value: int | Sequence[int], *, axes: int, least: int = 1) -> tuple[int, ...]:
    """One integer for each spatial axis, from an integer or a sequence of them.

    Args:
        function: Who asks, for the message.
        name: The argument's name, for the message.
        value: An integer for all axes, or one for each.
        axes: Number of spatial axes.
        least: Smallest value allowed.

    Raises:
        ArgumentError: Wrong type, wrong length, or an entry below ``least``.
    """
    values: Any = (value,) * axes if is_integer(value) else value
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != axes:
        raise ArgumentError(
            function, name, value, f"is not an integer or one integer for each of {axes} axes",
            f"pass an integer or {axes} of them",
        )  # fmt: skip
    for entry in values:
        if not is_integer(entry) or entry < least:
            raise ArgumentError(function, name, value, f"contains {entry!r}", f"pass integers of at least {least}")
    return tuple(int(entry) for entry in values)


def resolve_padding(
    function: str,
    padding: Padding,
    *,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Pads:
    """Zeros before and after each spatial axis, from any of the ways to ask for them.

    Args:
        function: Who asks, for the message.
        padding: An integer, one for each axis, a ``(before, after)`` pair for each axis, ``"valid"`` (none),
            or ``"same"`` (output as long as the input; stride 1 only; the odd zero goes after, as in PyTorch).
        kernel_size: Taps along each axis.
        stride: Stride along each axis.
        dilation: Dilation along each axis.

    Raises:
        ArgumentError: ``padding`` is none of these, or ``"same"`` with a stride above 1.
    """
    axes = len(kernel_size)
    if padding == "valid":
        return ((0, 0),) * axes
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ArgumentError(
                function, "padding", padding, f"with stride={tuple(stride)} has no fixed meaning",
                "pass the padding as integers, or stride 1",
            )  # fmt: skip
        totals = [rate * (size - 1) for rate, size in zip(dilation, kernel_size, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, Sequence) and not isinstance(padding, str) and len(padding) == axes:
        pairs: list[Any] = [(entry, entry) if is_integer(entry) else entry for entry in padding]
    else:
        pairs = [(padding, padding)] * axes
    for pair in pairs:
        good = isinstance(pair, Sequence) and len(pair) == 2
        if not good or not all(is_integer(end) and end >= 0 for end in pair):
            raise ArgumentError(
                function, "padding", padding, f"does not describe {axes} spatial axes",
                'pass an integer of at least 0, one for each axis, a (before, after) pair for each axis, '
                '"same" or "valid"',
            )  # fmt: skip
    return tuple((int(before), int(after)) for before, after in pairs)


def is_integer(value: Any) -> bool:
    """Whether ``value`` is an integer of Python's or NumPy's; a bool is none."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether ``value`` is a real number, or an array of one; a bool is none."""
    return hasattr(value, "__float__") and not isinstance(value, bool) and getattr(value, "ndim", 0) == 0


def one_of(function: str, name: str, value: Any, choices: Collection[str]) -> None:
    """Raise an ArgumentError unless ``value`` is one of ``choices``, of which there are two or more."""
    if not isinstance(value, str) or value not in choices:
        *others, last = map(repr, choices)
        raise ArgumentError(function, name, value, "is unknown", f"pass {', '.join(others)} or {last}")


def known(function: str, name: str, value: Any, names: Collection[str], rule: str) -> None:
    """Raise an ArgumentError unless ``value`` is one of many ``names``.

    Args:
        function: Who asks, for the message.
        name: The argument's name, for the message.
        value: What was received.
        names: What it may be.
        rule: What is wrong if it is none of them, e.g. ``"is no model"``.

    Raises:
        ArgumentError: With the name that was probably meant, and all names; of many, the likeliest.
    """
    if not isinstance(value, str) or value not in names:
        shown = ", ".join(names)
        if len(names) > _LISTED and (near := similar(str(value), names, most=5)):
            shown = f"{', '.join(near)}, … ({len(names)} in all)"
        raise ArgumentError(function, name, value, f"{rule}{nearest(str(value), names)}", f"pass one of {shown}")


def flag(function: str, **values: Any) -> None:
    """Raise an ArgumentError for the first of ``values`` that is no bool."""
    for name, value in values.items():
        if not isinstance(value, bool | np.bool_):
            raise ArgumentError(function, name, value, "is no bool", "pass True or False")
