"""Copies of arrays at the speed of the memory: by several threads, to where JAX takes them without another copy."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# XLA uses memory as it is only where it begins at a multiple of this.
ALIGNMENT = 64
# Bytes that are worth a thread: about 0.3 ms of copying, of which most goes to the faults of new pages.
_PART = 1 << 20
# Threads beyond which a machine's memory gains nothing.
_THREADS = min(os.cpu_count() or 1, 8)


@cache
def _pool() -> ThreadPoolExecutor:
    # One for good: a thread's start and end wait for the page faults of the others, and cost more than the copy.
    return ThreadPoolExecutor(_THREADS, "dilax-copy")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """A copy of numbers that lie side by side, which begins at a multiple of ``ALIGNMENT`` bytes.

    Args:
        array: Any shape and dtype, C-contiguous.
    """
    room = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    begin = -room.ctypes.data % ALIGNMENT
    target = room[begin : begin + array.nbytes]
    source = array.reshape(-1).view(np.uint8)
    threads = min(array.nbytes // _PART, _THREADS)
    if threads < 2:
        np.copyto(target, source)
    else:
        step = -(-array.nbytes // threads)
        parts = [slice(first, first + step) for first in range(0, array.nbytes, step)]
        list(_pool().map(lambda part: np.copyto(target[part], source[part]), parts))  # without the interpreter's lock
    return target.view(array.dtype).reshape(array.shape)
