"""Metrics of a model on the part of the data that it has not learned from."""

import jax.numpy as jnp
import numpy as np

from ..data import Source
from ..predict.tiles import tiles
from . import metrics
from .arrays import Arrays
from .step import Predict


def evaluate(predict: Predict, arrays: Arrays, source: Source, *, tile: int = 0) -> dict[str, float]:
    """Predict what is kept for evaluation, with its surroundings, and score it.

    Args:
        predict: As :func:`dilax.train.make_predict` makes it.
        arrays: All arrays of the model, by name.
        source: Where labelled images or volumes come from.
        tile: Edge of the overlapping tiles to predict, in pixels or voxels; 0 for each whole image at once.

    Returns:
        ``mean_dice``, ``mean_iou``, ``accuracy``, and for each class ``dice/<class>`` and
        ``iou/<class>``; NaN for a class that is neither present nor predicted.
    """
    counted = metrics.ConfusionMatrix(source.num_classes)
    for example in source.evaluation():
        shape = example.labels.shape
        for part in tiles(shape, size=(tile,) * len(shape), margin=tile // 4, where=example.where):
            predicted = np.asarray(predict(arrays, jnp.asarray(example.image[part.outer])[None]))[0]
            truth = example.labels[part.inner]
            scored = truth != source.ignore_index
            counted.update(truth[scored], predicted[part.kept][scored])
    return summarize(counted.counts, source.class_names)


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
