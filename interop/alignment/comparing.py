"""How far numbers of the two frameworks lie apart, whatever their axes."""

from collections.abc import Sequence

import numpy as np

from ..verification.measures import relative_error
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
        errors = [relative_error(found, expected) for found in remaining]
        nearest = int(np.argmin(errors))
        largest = max(largest, errors[nearest])
        del remaining[nearest]
    return largest


def result_error(theirs: Sequence[Array], ours: Sequence[Array]) -> float:
    """Largest relative difference of the models' results, whose channels may be second in PyTorch and last in Flax."""
    errors = []
    for expected, found in zip(theirs, ours, strict=True):
        moved = np.moveaxis(expected, 1, -1) if expected.ndim > 1 else expected
        errors.append(min(relative_error(found, expected), relative_error(found, moved)))
    return max(errors, default=0.0)
