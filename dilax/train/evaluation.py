"""Metrics of a model on the part of a volume that it has not learned from."""

import jax.numpy as jnp
import numpy as np

from ..data import Slab, Volume
from ..predict.tiles import tiles
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
    for part in tiles(shape, size=(tile,) * 3, margin=tile // 4, where=where):
        image = jnp.asarray(volume.image[part.outer])[None, ..., None]
        predicted = np.asarray(predict(arrays, image))[0]
        counted.update(volume.labels[part.inner], predicted[part.kept])
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
