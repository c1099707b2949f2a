"""Random inputs for a test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dilax.errors import ArgumentError


class ParityInput:
    """Draws inputs that hide no mistake: no two axes are alike, and no value is as likely as its negative.

    Args:
        seed: Of all that is drawn.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, shape: Sequence[int], *, below: int | None = None) -> np.ndarray[Any, np.dtype[Any]]:
        """Draw an input.

        Args:
            shape: Its shape as Flax takes it, batch first and channels last, all sizes different.
            below: For whole numbers, such as tokens: they are at least 0 and smaller than this.

        Returns:
            Numbers from a Gumbel distribution, which is skewed, in float64; with ``below``, int64.

        Raises:
            ArgumentError: Two sizes are equal, or the batch is 1, so that an exchange of axes could go unnoticed.
        """
        sizes = [size for size in shape if size != 1]
        if len(set(sizes)) < len(sizes) or (len(shape) > 1 and shape[0] == 1):
            raise ArgumentError(
                "parity_input", "shape", tuple(shape), "has equal sizes, or a batch of 1, which hide exchanged axes",
                "pass sizes that all differ, e.g. (2, 9, 11, 3)",
            )  # fmt: skip
        if below is not None:
            return self._rng.integers(0, below, tuple(shape))
        return self._rng.gumbel(size=tuple(shape))
