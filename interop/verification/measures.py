"""The two figures of a comparison: how far float64 results differ, and how good float32 results are.

``R = |jax32 - f64| / |torch32 - f64|``, root mean squares over all numbers of an array in all draws, is a ratio of two
roundings. Where both frameworks round equally well, the two mean squares of ``n`` independent errors are estimates of
one variance, so that ``R**2`` follows an F distribution with ``n`` and ``n`` degrees of freedom and, by Fisher's
transformation, ``ln R`` is nearly normal with variance ``1 / n``. For ``n`` of 47 and more a good layer passes 2 with a
probability under one in a million; for fewer numbers the limit is the one that keeps this probability.

Source: Fisher, "On a Distribution Yielding the Error Functions of Several Well Known Statistics", 1924.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .layouts import Array

#: Largest relative error between two float64 runs of one computation that rounding explains.
FLOAT64_LIMIT = 1e-12

#: How many times further than PyTorch's own float32 result JAX's may lie from the float64 result.
FLOAT32_LIMIT = 2.0

# Standard deviations that a normal variable passes once in a million.
_DEVIATIONS = 4.75
# No float32 result is nearer to the truth than half a unit in its last place, on average about this share of it.
_ROUNDING = 2.0**-25


def limit(count: int) -> float:
    """The largest R that luck explains, of so many numbers; 2 for 47 and more."""
    return max(FLOAT32_LIMIT, math.exp(_DEVIATIONS / math.sqrt(count))) if count else math.inf


def difference(actual: Array, expected: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """``|actual - expected|``; 0 where both are the same infinity or no number, infinite where one alone is."""
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.abs(np.subtract(actual, expected, dtype=np.result_type(actual, expected, np.float64)))
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    return np.where(same, 0.0, np.where(np.isnan(delta), np.inf, delta))


def largest(array: Array) -> float:
    """The largest finite magnitude."""
    return float(np.abs(array, where=np.isfinite(array), out=np.zeros(array.shape)).max(initial=0.0))


def relative_error(actual: Array, expected: Array, *, scale: float = 0.0) -> float:
    """The largest difference over the largest expected magnitude, which counts as ``scale`` at least."""
    if actual.shape != expected.shape:
        return math.inf
    error = float(difference(actual, expected).max(initial=0.0))
    size = max(largest(expected), scale)
    return error / size if size and error else error


@dataclass
class Ratio:
    """Sums of squared float32 errors over draws, and R of them."""

    ours: float = 0.0
    theirs: float = 0.0
    count: int = 0

    def add(self, ours: Array, theirs: Array, truth: Array, *, steps: int = 1) -> None:
        """Add one draw; of an array along training steps, whose errors go on from step to step, one step counts."""
        floor = _ROUNDING**2 * float(np.square(truth, where=np.isfinite(truth), out=np.zeros(truth.shape)).sum())
        self.ours += float(np.square(difference(ours, truth)).sum())
        self.theirs += max(float(np.square(difference(theirs, truth)).sum()), floor)
        self.count += truth.size // steps

    @property
    def value(self) -> float:
        """R."""
        if math.isinf(self.ours) and math.isinf(self.theirs):
            return 1.0  # both overflow
        return math.sqrt(self.ours / self.theirs) if self.theirs else math.inf if self.ours else 0.0
