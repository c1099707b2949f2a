"""How far numbers of the two frameworks lie apart, whatever their axes."""

from collections.abc import Sequence

import numpy as np

from .tracing import Array


def layer_error(theirs: Sequence[Array], ours: Sequence[Array]) -> float | None:
    """Largest relative difference of the outputs of a layer's calls, each compared with the nearest one.

    The numbers of an output are compared in the order of their size: the user's models may arrange them differently.
    None where one of the runs does not show them.
    """
    if not theirs or len(theirs) != len(ours):
        return None
    remaining = [np.sort(output, axis=None) for output in ours]
    largest = 0.0
    for output in theirs:
        expected = np.sort(output, axis=None)
        errors = [relative(expected, found) for found in remaining]
        nearest = int(np.argmin(errors))
        largest = max(largest, errors[nearest])
        del remaining[nearest]
    return largest


def result_error(theirs: Sequence[Array], ours: Sequence[Array]) -> float:
    """Largest relative difference of the models' results, whose channels may be second in PyTorch and last in Flax."""
    errors = [min(relative(x, y), relative(np.moveaxis(x, min(1, x.ndim - 1), -1) if x.ndim else x, y))
              for x, y in zip(theirs, ours, strict=True)]  # fmt: skip
    return max(errors, default=0.0)


def relative(expected: Array, found: Array) -> float:
    """Largest difference over the largest magnitude; infinite where the shapes differ or a number is none."""
    if expected.shape != found.shape:
        return float("inf")
    if not expected.size:
        return 0.0
    error = float(np.abs(np.subtract(found, expected, dtype=np.float64)).max())
    scale = float(np.abs(expected).max())
    ratio = error / scale if scale else error
    return ratio if np.isfinite(ratio) else float("inf")
