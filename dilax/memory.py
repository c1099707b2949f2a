"""Memory that JAX takes as it is, and the threads that fill large arrays."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: XLA uses memory as it is only where it begins at a multiple of this.
ALIGNMENT = 64
#: Threads beyond which a machine's memory gains nothing.
THREADS = min(os.cpu_count() or 1, 8)


@cache
def threads() -> ThreadPoolExecutor:
    """Threads for work without the interpreter's lock.

    They are kept: a thread's start and end wait for the page faults of the others, and cost more than a copy.
    """
    return ThreadPoolExecutor(THREADS, "dilax-memory")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=threads.cache_clear)  # a child has none of its parent's threads


def aligned_empty(size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array whose numbers are not set and which begins at a multiple of ``ALIGNMENT`` bytes, ``(size,)``."""
    length = size * dtype.itemsize
    room = np.empty(length + ALIGNMENT, np.uint8)
    begin = -room.ctypes.data % ALIGNMENT
    return room[begin : begin + length].view(dtype)
