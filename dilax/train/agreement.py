"""What all processes of a run must agree on: when to stop and why, and what was counted."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Int64

from .layout import Layout


class StopVote:
    """Whether any process wants to stop, and why, known to all after the same step.

    Args:
        layout: Where the run's arrays are.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._largest = jax.jit(jnp.max, out_shardings=layout.whole)

    def cast(self, reason: int) -> Any:
        """Vote, 0 for going on; the largest of all, for ``int``, is computed while the caller goes on."""
        if jax.process_count() == 1:
            return reason
        votes = np.full(jax.local_device_count(), reason, np.int32)
        return self._largest(self._layout.place_batch({"stop": votes})["stop"])


def largest_of_processes(number: int) -> int:
    """The largest of the numbers, below 2^31, that the processes have; all call it together."""
    if jax.process_count() == 1:
        return number
    return int(np.max(multihost_utils.process_allgather(np.int32(number))))


def sum_over_processes(counts: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """Add up counts, from 0 to below 2^62, of all processes, exactly; all call it together."""
    if jax.process_count() == 1:
        return counts
    # JAX has no 64-bit integers by default.
    halves = np.stack([counts >> 31, counts & (2**31 - 1)]).astype(np.int32)
    gathered = np.asarray(multihost_utils.process_allgather(halves)).astype(np.int64)
    high, low = gathered.sum(axis=0)
    return np.asarray((high << 31) + low)
