"""Metrics of a model on the part of a volume that it has not learned from."""

import itertools
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from ..data import Slab, Volume
from . import metrics
from .arrays import Arrays
from .step import Predict


def evaluate(predict: Predict, arrays: Arrays, volume: Volume, held_out: Slab, *, tile: int = 0) -> dict[str, float]:
    """Predict the slab with its surroundings, and score the slab alone.

    Args:
        predict: As :func:`dilax.train.make_predict` makes it.
        arrays: All arrays of the model, by name.
        volume: A labelled volume.
        held_out: What to score.
        tile: Edge of the overlapping tiles to predict, in voxels; 0 for the whole volume at once.

    Returns:
        ``mean_dice``, ``mean_iou``, ``accuracy``, and for each class ``dice/<class>`` and
        ``iou/<class>``; NaN for a class that is neither present nor predicted.
    """
    shape = volume.image.shape
    where = held_out.index
    counted = metrics.ConfusionMatrix(volume.num_classes)
    for outer, inner in _tiles(shape, where, tile):
        image = jnp.asarray(volume.image[outer])[None, ..., None]
        predicted = np.asarray(predict(arrays, image))[0]
        pairs = zip(inner, outer, strict=True)
        kept = tuple(slice(i.start - o.start, i.stop - o.start) for i, o in pairs)
        counted.update(volume.labels[inner], predicted[kept])
    return summarize(counted.counts, volume.class_names)


def summarize(counts: np.ndarray, class_names: tuple[str, ...]) -> dict[str, float]:
    """All metrics of a confusion matrix by name, as :func:`evaluate` returns them."""
    dice, iou = metrics.dice(counts), metrics.iou(counts)
    return {
        "mean_dice": metrics.mean_dice(counts),
        "mean_iou": metrics.mean_iou(counts),
        "accuracy": float(np.trace(counts) / counts.sum()) if counts.any() else float("nan"),
        **{f"dice/{name}": float(value) for name, value in zip(class_names, dice, strict=True)},
        **{f"iou/{name}": float(value) for name, value in zip(class_names, iou, strict=True)},
    }


def _tiles(
    shape: tuple[int, ...], where: tuple[slice, ...], tile: int
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """What to predict and what to keep of it; what is kept covers ``where`` once."""
    axes = [_tiles_along(length, *part.indices(length)[:2], tile) for length, part in zip(shape, where, strict=True)]
    for parts in itertools.product(*axes):
        yield tuple(outer for outer, _ in parts), tuple(inner for _, inner in parts)


def _tiles_along(length: int, start: int, stop: int, tile: int) -> list[tuple[slice, slice]]:
    """Tiles of one size whose kept parts lie a quarter of it from their ends, where they can."""
    if not 0 < tile < length:
        return [(slice(0, length), slice(start, stop))]
    margin = tile // 4
    parts = []
    while start < stop:
        first = min(max(start - margin, 0), length - tile)
        reaches_end = first + tile == length
        last = min(stop, first + tile if reaches_end else first + tile - margin)
        parts.append((slice(first, first + tile), slice(start, last)))
        start = last
    return parts
