"""A random part of an image or a volume at another size."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int32, Shaped

from .examples import Example


def crop_and_resize(
    example: Example, rng: np.random.Generator, *, size: Sequence[int], factor: float, ignore_index: int
) -> tuple[Shaped[np.ndarray, "*spatial c"], Int32[np.ndarray, "*spatial"], Bool[np.ndarray, "*spatial"]]:
    """Cut a random part so that it has ``size`` after it has grown by ``factor``.

    Cutting before resizing gives what the other order gives, at the cost of the part alone. A part that is larger than
    the image holds it at a random place.

    Args:
        example: What to cut from.
        rng: Draws the place.
        size: Pixels or voxels of the result along each axis.
        factor: Above 1 things grow, below they shrink.
        ignore_index: The label outside the image.

    Returns:
        The image, resized linearly, the labels, each that of the nearest, and what lies inside the image.
    """
    part = [max(1, round(length / factor)) for length in size]
    slack = [length - wanted for length, wanted in zip(example.labels.shape, part, strict=True)]
    starts = [int(rng.integers(min(0, room), max(0, room) + 1)) for room in slack]
    spans = [
        (max(start, 0), min(start + wanted, length))
        for start, wanted, length in zip(starts, part, example.labels.shape, strict=True)
    ]
    where = tuple(slice(low, high) for low, high in spans)
    outside = [(low - start, start + n - high) for (low, high), start, n in zip(spans, starts, part, strict=True)]
    image, labels, inside = example.image[where], example.labels[where], np.ones(part, bool)
    if labels.shape != tuple(part):
        inside = np.pad(np.ones(labels.shape, bool), outside)
        labels = np.pad(labels, outside, constant_values=ignore_index)
        # The outermost values go on, so that what lies inside does not fade towards the end when it is resized.
        image = np.pad(image, [*outside, (0, 0)], mode="edge")
    if tuple(part) != tuple(size):
        labels, inside = nearest_resize(labels, size), nearest_resize(inside, size)
        image = linear_resize(image, size)
    return image, labels, inside


def nearest_resize(array: Shaped[np.ndarray, "..."], size: Sequence[int]) -> Shaped[np.ndarray, "..."]:
    """Resize the first axes: each result is the value whose middle is nearest to its own."""
    for axis, length in enumerate(size):
        at = (np.arange(length) + 0.5) * (array.shape[axis] / length)
        array = array.take(at.astype(np.intp), axis)
    return array


def linear_resize(array: Shaped[np.ndarray, "... c"], size: Sequence[int]) -> Shaped[np.ndarray, "... c"]:
    """Resize the first axes, linearly between the middles of pixels; the dtype stays.

    Each result is a mean of the two neighbours along each axis, also where it shrinks.
    """
    result = array.astype(np.float32, copy=False)
    for axis, length in enumerate(size):
        at = (np.arange(length) + 0.5) * (result.shape[axis] / length) - 0.5
        at = at.clip(0, result.shape[axis] - 1)
        low = at.astype(np.intp)
        high = np.minimum(low + 1, result.shape[axis] - 1)
        share = (at - low).astype(np.float32).reshape(-1, *[1] * (result.ndim - axis - 1))
        result = result.take(low, axis) * (1 - share) + result.take(high, axis) * share
    if array.dtype.kind == "u":
        result = np.rint(result)
    return result.astype(array.dtype, copy=False)
