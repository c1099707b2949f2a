"""Weights of classes from how often they occur."""

import numpy as np
from jaxtyping import Float32, Int64

from ..errors import ArgumentError, BadSample
from .bad_samples import BadSamples, Failure
from .examples import Examples

METHODS = ("inverse", "median")


def count_labels(
    examples: Examples, num_classes: int, bad_samples: BadSamples
) -> tuple[Int64[np.ndarray, " classes"], Int64[np.ndarray, " classes"]]:
    """Count the pixels of each class, and the pixels of the examples in which it is; what is ignored counts nowhere.

    Raises:
        BadSample: Labels cannot be used.
        FileError: Too many were skipped.
    """
    counts, present = np.zeros(num_classes, np.int64), np.zeros(num_classes, np.int64)
    for index in range(len(examples)):
        try:
            labels = examples.read_labels(index)
        except BadSample as error:
            bad_samples.handle([Failure(examples.name(index), error.path, error.rule)])
            continue
        known = labels[(labels >= 0) & (labels < num_classes)]
        found = np.bincount(known, minlength=num_classes)
        counts += found
        present += np.where(found > 0, known.size, 0)
    return counts, present


def weigh_classes(
    counts: Int64[np.ndarray, " classes"], present: Int64[np.ndarray, " classes"], *, method: str = "median"
) -> Float32[np.ndarray, " classes"]:
    """Give rare classes large weights.

    ``"inverse"``: all pixels over the classes times the pixels of a class, so that the mean weight of a pixel is 1.
    ``"median"``: the median frequency over the frequency of a class, where a frequency counts only the images with the
    class.

    Args:
        counts: Pixels of each class.
        present: Pixels of all images in which the class is.
        method: ``"inverse"`` or ``"median"``.

    Returns:
        One weight a class; 0 for a class that does not occur.

    Raises:
        ArgumentError: The method is unknown or there are no pixels.

    Source: Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels", 2015, section 6.

    >>> weigh_classes(np.array([6, 2]), np.array([8, 4]), method="inverse")
    array([0.6666667, 2.       ], dtype=float32)
    """
    if method not in METHODS:
        raise ArgumentError("weigh_classes", "method", method, "is unknown", "pass 'inverse' or 'median'")
    occurs = counts > 0
    if not occurs.any():
        raise ArgumentError("weigh_classes", "counts", counts.tolist(), "has no pixel of any class", "check the labels")
    weights = np.zeros(len(counts))
    if method == "inverse":
        weights[occurs] = counts.sum() / (occurs.sum() * counts[occurs])
    else:
        frequencies = counts[occurs] / present[occurs]
        weights[occurs] = np.median(frequencies) / frequencies
    return weights.astype(np.float32)
