"""Where the windows of a pooling lie along one axis."""

from typing import Any

import numpy as np

from ..errors import ArgumentError
from .sampling import Taps

Array = np.ndarray[Any, np.dtype[Any]]


def pooled_length(
    length: int, *, taps: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """How many windows there are; 0 or less if the axis is too short.

    Args:
        length: Samples of the axis.
        taps: Samples of a window.
        stride: Distance between windows.
        padding: Samples put at each end.
        dilation: Distance between the samples of a window.
        ceil_mode: Whether a last window may reach over the end. It must begin before the end, as in PyTorch.
    """
    room = length + 2 * padding - dilation * (taps - 1) - 1
    count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= length + padding:
        count -= 1
    return count


def sliding(
    function: str,
    shape: tuple[int, ...],
    axis: int,
    *,
    taps: int,
    stride: int,
    padding: int,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> Taps:
    """Windows at equal distances along a spatial axis; what lies outside the axis is not used.

    Args:
        function: Who asks, for the message.
        shape: Shape of the array, ``(N, *spatial, C)``.
        axis: The axis.
        taps: As for :func:`pooled_length`, as all that follow.
        stride: As there.
        padding: As there.
        dilation: As there.
        ceil_mode: As there.

    Raises:
        ArgumentError: There would be no window.
    """
    length = shape[axis]
    count = pooled_length(length, taps=taps, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    if length < 1 or count < 1:
        raise ArgumentError(
            function, "x", shape,
            f"is {length} samples long on spatial axis {axis - 1}, with padding {padding} less than "
            f"the window of {dilation * (taps - 1) + 1}", "pass a longer input or a smaller window",
        )  # fmt: skip
    places = np.arange(count) * stride - padding + np.arange(taps)[:, None] * dilation
    return Taps(length, *_used_first(places, (places >= 0) & (places < length), length))


def adaptive(length: int, count: int) -> Taps:
    """``count`` windows that cover an axis evenly, overlapping where they must.

    Args:
        length: Samples of the axis, at least 1.
        count: Number of windows; 0 is allowed.
    """
    start = np.arange(count) * length // max(count, 1)
    stop = -(-np.arange(1, count + 1) * length // max(count, 1))
    offsets = np.arange(max((stop - start).max(initial=0), 1))[:, None]
    used = start + offsets < stop
    return Taps(length, np.minimum(start + offsets, length - 1), used)


def _used_first(places: Array, used: Array, length: int) -> tuple[Array, Array]:
    """Move what is used to the front of each window, in its order."""
    order = np.argsort(~used, axis=0, kind="stable")
    used = np.take_along_axis(used, order, axis=0)
    needed = max(int(used.sum(axis=0).max()), 1)
    places = np.clip(np.take_along_axis(places, order, axis=0), 0, length - 1)
    return places[:needed], used[:needed]
