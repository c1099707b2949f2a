"""Padding of the spatial axes, in PyTorch's four ways."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from ..errors import ArgumentError
from .arguments import Pads, is_integer, one_of

PaddingMode = Literal["constant", "reflect", "replicate", "circular"]

#: What a padding layer may be asked for: one number for both ends, or ``(before, after)``, for each spatial axis.
SpatialPadding = Sequence[int] | Sequence[tuple[int, int]]


def pad(
    x: jax.Array,
    padding: SpatialPadding,
    *,
    mode: PaddingMode = "constant",
    value: float = 0.0,
) -> jax.Array:
    """Lengthen the spatial axes at their ends; a negative number crops.

    Args:
        x: ``(..., *spatial, C)`` with as many spatial axes as ``padding`` is long.
        padding: A ``(before, after)`` pair for each spatial axis, first axis first, or one integer for both ends.
        mode: ``"constant"`` puts ``value`` there, ``"reflect"`` what lies as far on the other side of the end sample,
            ``"replicate"`` the end sample, ``"circular"`` what lies at the other end.
        value: What ``"constant"`` puts there.

    Returns:
        ``(..., *longer, C)``, of the dtype of ``x``.

    Raises:
        ArgumentError: ``padding`` does not fit ``x``, or the mode cannot reach so far: ``"reflect"`` reaches less than
            an axis's length, ``"circular"`` no more than it.

    Differs from PyTorch: channels are last, and pairs begin with the first axis (PyTorch's flat list with the last).

    >>> pad(jnp.arange(1.0, 4.0)[:, None], [(2, 1)], mode="reflect")[:, 0].tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    pads = resolve_pairs("pad", padding)
    one_of("pad", "mode", mode, ("constant", "reflect", "replicate", "circular"))
    if x.ndim < len(pads) + 1:
        raise ArgumentError(
            "pad", "x", x.shape, f"does not have {len(pads)} spatial axes before its channels",
            "pass (N, *spatial, C), or one pair for each spatial axis",
        )  # fmt: skip
    first = x.ndim - 1 - len(pads)
    for place, pair in enumerate(pads):
        _check_reach(x, place, pair, x.shape[first + place], mode)
    if mode == "constant":
        around = [(0, 0, 0)] * first + [(before, after, 0) for before, after in pads] + [(0, 0, 0)]
        return lax.pad(x, jnp.asarray(value, x.dtype), around)
    for place, pair in enumerate(pads):
        x = _pad_axis(x, first + place, pair, mode)
    return x


def resolve_pairs(function: str, padding: Any) -> Pads:
    """``(before, after)`` for each spatial axis, checked; negative numbers are let through.

    Args:
        function: Who asks, for the message.
        padding: As for :func:`pad`.

    Raises:
        ArgumentError: ``padding`` is no sequence of 1 to 3 integers or pairs of them.
    """
    if isinstance(padding, Sequence) and not isinstance(padding, str) and 1 <= len(padding) <= 3:
        pairs = [(entry, entry) if is_integer(entry) else entry for entry in padding]
        if all(isinstance(pair, Sequence) and len(pair) == 2 and all(map(is_integer, pair)) for pair in pairs):
            return tuple((int(before), int(after)) for before, after in pairs)
    raise ArgumentError(
        function, "padding", padding, "does not say how much to put at the ends of each spatial axis",
        "pass a (before, after) pair for each of 1 to 3 axes, first axis first, e.g. ((1, 1), (2, 0))",
    )  # fmt: skip


def _check_reach(x: jax.Array, place: int, pair: tuple[int, int], length: int, mode: str) -> None:
    left = length - max(-pair[0], 0) - max(-pair[1], 0)
    least = 0 if mode == "constant" else 1
    if length < least or length + sum(pair) < least or (mode == "constant" and left < 0):
        raise ArgumentError(
            "pad", "padding", pair, f"leaves nothing of spatial axis {place} of {x.shape}", "crop less"
        )  # fmt: skip
    reach = {"reflect": length - 1, "circular": max(left, 0)}.get(mode)
    if reach is not None and max(*pair, 0) > reach:
        raise ArgumentError(
            "pad", "padding", pair,
            f"reaches too far on spatial axis {place} of {x.shape}: {mode!r} has {reach} samples to take there",
            "pass less",
        )  # fmt: skip


def _pad_axis(x: jax.Array, axis: int, pair: tuple[int, int], mode: str) -> jax.Array:
    length = x.shape[axis]
    before, after = max(pair[0], 0), max(pair[1], 0)
    crop = (max(-pair[0], 0), max(-pair[1], 0))

    def part(array: jax.Array, start: int, stop: int) -> jax.Array:
        return lax.slice_in_dim(array, start, stop, axis=axis)

    if mode == "circular":
        # PyTorch wraps what is left after the crop.
        x = part(x, crop[0], length - crop[1])
        left = x.shape[axis]
        ends = (part(x, left - before, left), part(x, 0, after))
        return _join(axis, ends[0], x, ends[1])
    if mode == "reflect":
        ends = (lax.rev(part(x, 1, 1 + before), (axis,)), lax.rev(part(x, length - 1 - after, length - 1), (axis,)))
    else:
        ends = (_repeat(part(x, 0, 1), axis, before), _repeat(part(x, length - 1, length), axis, after))
    longer = _join(axis, ends[0], x, ends[1])
    return part(longer, crop[0], longer.shape[axis] - crop[1])


def _repeat(sample: jax.Array, axis: int, times: int) -> jax.Array:
    shape = list(sample.shape)
    shape[axis] = times
    return jnp.broadcast_to(sample, shape)


def _join(axis: int, *parts: jax.Array) -> jax.Array:
    return lax.concatenate([part for part in parts if part.shape[axis]], axis)
