"""Metrics of a model on the part of the data that it has not learned from."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..data import Example, Source
from ..predict.tiles import tiles
from . import metrics
from .agreement import sum_over_processes
from .arrays import Arrays
from .step import Predict

#: Called with an example, cut to a tile where there are tiles, and its predicted labels.
See = Callable[[Example, np.ndarray], None]
#: An example and where a tile of it is.
_Part = tuple[Example, Any]


class EvaluationStopped(Exception):
    """Something was more urgent."""


def evaluate(
    predict: Predict,
    arrays: Arrays,
    source: Source,
    *,
    tile: int = 0,
    at_once: int = 1,
    limit: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    see: See | None = None,
) -> dict[str, float]:
    """Predict what is kept for evaluation, with its surroundings, and score it.

    Every process predicts its share of the examples; the counts are added up, so that the metrics are those of all.

    Args:
        predict: As :func:`dilax.train.make_predict` makes it.
        arrays: All arrays of the model, by name, where ``predict`` expects them.
        source: Where labelled images or volumes come from.
        tile: Edge of the overlapping tiles to predict, in pixels or voxels; 0 for whole images.
        at_once: Images or tiles of one shape that ``predict`` gets together, as many as it has devices.
        limit: Images or tiles after which a process is content; None for all.
        stop: Asked before each prediction.
        see: Called with what is scored of each example, or of each tile, and its predicted labels.

    Returns:
        ``mean_dice``, ``mean_iou``, ``accuracy``, and for each class ``dice/<class>`` and
        ``iou/<class>``; NaN for a class that is neither present nor predicted.

    Raises:
        EvaluationStopped: In this process or another ``stop`` said so.
    """
    counted = metrics.ConfusionMatrix(source.num_classes)
    stopped = False
    for group in _groups(islice(_parts(source, tile), limit), at_once):
        stopped = stop()
        if stopped:
            break
        images = [example.image[part.outer] for example, part in group]
        images += images[-1:] * (at_once - len(images))  # the other devices have nothing better to do
        labels = np.asarray(predict(arrays, jnp.asarray(np.stack(images))))
        for (example, part), found in zip(group, labels, strict=False):
            predicted, truth = found[part.kept], example.labels[part.inner]
            scored = truth != source.ignore_index
            counted.update(truth[scored], predicted[scored])
            if see is not None:
                see(Example(example.image[part.inner], truth, example.name), predicted)
    total = sum_over_processes(np.append(counted.counts.ravel(), np.int64(stopped)))
    if total[-1]:
        raise EvaluationStopped
    return summarize(total[:-1].reshape(counted.counts.shape), source.class_names)


def _parts(source: Source, tile: int) -> Iterator[_Part]:
    """Every tile of every example of this process."""
    share = source.evaluation(process_index=jax.process_index(), process_count=jax.process_count())
    for example in share:
        shape = example.labels.shape
        for part in tiles(shape, size=(tile,) * len(shape), margin=tile // 4, where=example.where):
            yield example, part


def _groups(parts: Iterable[_Part], size: int) -> Iterator[list[_Part]]:
    """Neighbours of one shape, so many or fewer."""
    for _, same in groupby(parts, lambda entry: entry[0].image[entry[1].outer].shape):
        while group := list(islice(same, size)):
            yield group


def summarize(counts: np.ndarray, class_names: tuple[str, ...]) -> dict[str, float]:
    """All metrics of a confusion matrix by name, as :func:`evaluate` returns them."""
    dice, iou = metrics.dice(counts), metrics.iou(counts)
    return {
        "mean_dice": metrics.mean_dice(counts),
        "mean_iou": metrics.mean_iou(counts),
        "accuracy": metrics.accuracy(counts),
        **{f"dice/{name}": float(value) for name, value in zip(class_names, dice, strict=True)},
        **{f"iou/{name}": float(value) for name, value in zip(class_names, iou, strict=True)},
    }
