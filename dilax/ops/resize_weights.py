"""Which input samples a resized sample is made of, and how much of each: PyTorch's rules, one axis at a time."""

import math
from functools import lru_cache

import numpy as np

from .sampling import Array, Taps

# Free parameter of the cubic kernel: PyTorch's own, and Pillow's where it antialiases.
_CUBIC = -0.75
_CUBIC_ANTIALIAS = -0.5


@lru_cache(maxsize=256)
def nearest(length: int, outputs: int, scale: float | None, *, exact: bool, rule: str) -> Taps:
    """The nearest sample, or PyTorch's older choice, which looks from the left edge of each output sample.

    Args:
        length: Samples of the axis.
        outputs: Samples of the result.
        scale: How many times longer it was asked to be, or None if the two lengths decide.
        exact: Whether to look from the middle.
        rule: PyTorch's kernels disagree where a place falls between two samples or is rounded there. ``"short"`` is the
            one for small images, ``"float32"`` and ``"float64"`` are the general one for those dtypes.
    """
    places = np.arange(outputs)
    real = np.float64 if rule == "float64" else np.float32
    ratio = real(1 / scale) if scale else real(length) / real(outputs)
    points: Array
    if rule == "short" and not exact and outputs in (length, 2 * length):
        points = places // (outputs // length)
    elif rule == "short":
        points = (places + 0.5) * np.float64(ratio) if exact else places.astype(np.float32) * ratio
    elif exact:
        points = np.maximum(np.float64(ratio) * (places + 0.5) - 0.5, 0) + 0.5
    else:
        points = np.float64(ratio) * places
    index = np.floor(points.astype(np.float32)).astype(np.int64)
    return Taps(length, np.minimum(index, length - 1)[None])


@lru_cache(maxsize=256)
def linear(length: int, outputs: int, scale: float | None, *, align_corners: bool) -> Taps:
    """The two samples around a point, each by how near it is.

    Args:
        length: Samples of the axis.
        outputs: Samples of the result.
        scale: As for :func:`nearest`.
        align_corners: Whether the end samples' middles, not their outer edges, stay where they are.
    """
    if length == outputs:
        return Taps(length, np.arange(length)[None])
    points = _points(length, outputs, scale, align_corners)
    index, share = _split(points if align_corners else np.maximum(points, 0), length)
    return Taps(length, np.stack([index, np.minimum(index + 1, length - 1)]), weight=np.stack([1 - share, share]))


@lru_cache(maxsize=256)
def cubic(length: int, outputs: int, scale: float | None, *, align_corners: bool) -> Taps:
    """The four samples around a point, by a cubic kernel; beyond the ends, the end samples.

    Args:
        length: As for :func:`linear`, as all that follow.
        outputs: As there.
        scale: As there.
        align_corners: As there.

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981.
    """
    index, share = _split(_points(length, outputs, scale, align_corners), length)
    offsets = np.arange(-1, 3)[:, None]
    return Taps(length, np.clip(index + offsets, 0, length - 1), weight=_cubic_kernel(share - offsets, _CUBIC))


@lru_cache(maxsize=256)
def antialiased(length: int, outputs: int, scale: float | None, *, align_corners: bool, filter: str) -> Taps:
    """A kernel widened to cover what an output sample stands for, its sum made 1; cut off at the ends.

    Args:
        length: As for :func:`linear`, as the two that follow.
        outputs: As there.
        scale: As there.
        align_corners: Changes the distance between points, but not where the first lies, as in PyTorch.
        filter: ``"linear"`` or ``"cubic"``.
    """
    if length == outputs:
        return Taps(length, np.arange(length)[None])
    ratio = _ratio(length, outputs, scale, align_corners)
    wide = max(ratio, 1.0)
    support = (1.0 if filter == "linear" else 2.0) * wide
    center = ratio * (np.arange(outputs) + 0.5)
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    stop = np.minimum((center + support + 0.5).astype(np.int64), length)
    index = first + np.arange(max(int((stop - first).max()), 1))[:, None]
    used = index < stop
    distance = (index - center + 0.5) / wide
    kernel = np.maximum(1 - np.abs(distance), 0) if filter == "linear" else _cubic_kernel(distance, _CUBIC_ANTIALIAS)
    weight = np.where(used, kernel, 0)
    total = weight.sum(axis=0)
    return Taps(length, np.minimum(index, length - 1), used, weight / np.where(total == 0, 1, total))


def _ratio(length: int, outputs: int, scale: float | None, align_corners: bool) -> float:
    """Input samples for one output sample."""
    if align_corners:
        return (length - 1) / (outputs - 1) if outputs > 1 else 0.0
    return 1 / scale if scale else length / outputs


def _points(length: int, outputs: int, scale: float | None, align_corners: bool) -> Array:
    ratio = _ratio(length, outputs, scale, align_corners)
    places = np.arange(outputs)
    return ratio * places if align_corners else ratio * (places + 0.5) - 0.5


def _split(points: Array, length: int) -> tuple[Array, Array]:
    """The sample before each point, and how far the point lies towards the next, from 0 to 1."""
    # PyTorch rounds to float32 before it takes the whole part.
    index = np.minimum(np.floor(points.astype(np.float32)).astype(np.int64), length - 1)
    return index, np.clip(points - index, 0, 1)


def _cubic_kernel(distance: Array, a: float) -> Array:
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def scaled_length(length: int, scale: float) -> int:
    """Samples of an axis made ``scale`` times longer, rounded down."""
    return math.floor(length * scale)
