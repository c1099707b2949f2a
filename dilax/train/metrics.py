"""Segmentation metrics from one confusion matrix, exact however the samples are batched."""

import numpy as np
from jaxtyping import Float64, Int64, Integer

from ..errors import ArgumentError


def confusion_matrix(
    labels: Integer[np.ndarray, "*shape"],
    predictions: Integer[np.ndarray, "*shape"],
    *,
    num_classes: int,
) -> Int64[np.ndarray, "classes classes"]:
    """Count samples by true class (row) and predicted class (column).

    Args:
        labels: True classes, from 0 to ``num_classes - 1``, of any shape.
        predictions: Predicted classes, of the same range and shape.
        num_classes: How many classes there are.

    Returns:
        The counts, int64.

    Raises:
        ArgumentError: The shapes differ or a class is out of range.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ArgumentError(
            "confusion_matrix", "predictions.shape", predictions.shape,
            f"is not the labels' shape {labels.shape}", "pass one prediction a label",
        )  # fmt: skip
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            raise ArgumentError(
                "confusion_matrix", name, (int(values.min()), int(values.max())),
                f"is a range outside 0 to {num_classes - 1}",
                "pass class indices, and num_classes as large as they need",
            )  # fmt: skip
    cells = labels.astype(np.int64).ravel() * num_classes + predictions.ravel()
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def dice(confusion: Int64[np.ndarray, "classes classes"]) -> Float64[np.ndarray, " classes"]:
    """Dice coefficient of each class, ``2 TP / (2 TP + FP + FN)``.

    Args:
        confusion: Counts by true class (row) and predicted class (column).

    Returns:
        One value a class in [0, 1]; NaN where a class is neither present nor predicted.
    """
    return _ratio(2 * np.diag(confusion), confusion.sum(0) + confusion.sum(1))


def iou(confusion: Int64[np.ndarray, "classes classes"]) -> Float64[np.ndarray, " classes"]:
    """Intersection over union of each class, ``TP / (TP + FP + FN)``.

    Args:
        confusion: Counts by true class (row) and predicted class (column).

    Returns:
        One value a class in [0, 1]; NaN where a class is neither present nor predicted.
    """
    true = np.diag(confusion)
    return _ratio(true, confusion.sum(0) + confusion.sum(1) - true)


def mean_dice(confusion: Int64[np.ndarray, "classes classes"]) -> float:
    """Mean of :func:`dice` over the classes that have one; NaN if none has."""
    return _mean(dice(confusion))


def mean_iou(confusion: Int64[np.ndarray, "classes classes"]) -> float:
    """Mean of :func:`iou` over the classes that have one; NaN if none has."""
    return _mean(iou(confusion))


def accuracy(confusion: Int64[np.ndarray, "classes classes"]) -> float:
    """Share of the samples whose class is predicted; NaN if there are none."""
    return float(np.trace(confusion) / confusion.sum()) if confusion.any() else float("nan")


class ConfusionMatrix:
    """Adds up the counts of many batches, so that an uneven last batch weighs what it should.

    Args:
        num_classes: How many classes there are.

    Attributes:
        counts: int64 (C, C), by true class (row) and predicted class (column).
    """

    def __init__(self, num_classes: int) -> None:
        self.counts = np.zeros((num_classes, num_classes), np.int64)

    def update(
        self,
        labels: Integer[np.ndarray, "*shape"],
        predictions: Integer[np.ndarray, "*shape"],
    ) -> None:
        """Add a batch; arguments and errors as in :func:`confusion_matrix`."""
        self.counts += confusion_matrix(labels, predictions, num_classes=len(self.counts))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    ratio = np.full(above.shape, np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def _mean(values: np.ndarray) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")
