"""The largest sample of each window, and where it lies."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .sampling import Array, Taps, sample

# With more taps than this, a window's samples are compared in pairs instead of one after the other.
_FEW_TAPS = 16

# A value, and its place in the flattened spatial axes or None.
Candidate = tuple[jax.Array, jax.Array | None]


def largest(x: jax.Array, windows: Sequence[Taps], *, places: bool) -> Candidate:
    """The largest sample of each window, the first of equals, or the last NaN if there is one, as in PyTorch.

    Args:
        x: ``(N, *spatial, C)``.
        windows: The windows along each spatial axis.
        places: Whether places are wanted.

    Returns:
        ``(N, *output, C)``, and integers of that shape: places in the flattened spatial axes of one sample and channel.
    """
    spatial = x.shape[1:-1]
    found: Candidate = (x, None)
    if places:
        numbers = jnp.arange(int(np.prod(spatial))).reshape(1, *spatial, 1)
        found = (x, jnp.broadcast_to(numbers, x.shape))
    # From the last axis on, so that the first of equals is the first in the order of the flattened axes.
    for axis in reversed(range(len(windows))):
        found = _along(found, axis + 1, windows[axis])
    return found


def _along(found: Candidate, axis: int, windows: Taps) -> Candidate:
    x, places = _in_pairs(found, axis, windows) if len(windows.index) > _FEW_TAPS else _in_turn(found, axis, windows)
    empty = ~windows.used[0]
    if empty.any():  # dilation steps over the whole axis
        x = jnp.where(_spread(empty, axis, x.ndim), _lowest(x.dtype), x)
    return x, places


def _in_turn(found: Candidate, axis: int, windows: Taps) -> Candidate:
    taps = [Taps(windows.size, index[None], used[None]) for index, used in zip(windows.index, windows.used, strict=True)]
    best = _pick(found, axis, taps[0])
    for tap in taps[1:]:
        best = _better(best, _pick(found, axis, tap), _spread(tap.used[0], axis, found[0].ndim))
    return best


def _in_pairs(found: Candidate, axis: int, windows: Taps) -> Candidate:
    """All windows' samples on a new axis, of which neighbours are compared until one is left."""
    taps, outputs = windows.index.shape
    flat = Taps(windows.size, windows.index.reshape(1, -1), windows.used.reshape(1, -1))
    picked = _pick(found, axis, flat)
    current = _each(lambda array: array.reshape(*array.shape[:axis], taps, outputs, *array.shape[axis + 1 :]), picked)
    used = windows.used
    while len(used) > 1:
        early, late = (_each(partial(_every_other, start=start, axis=axis), current) for start in (0, 1))
        last = _each(lambda array: lax.slice_in_dim(array, len(used) // 2, None, axis=axis), early)
        early = _each(lambda array: lax.slice_in_dim(array, 0, len(used) // 2, axis=axis), early)
        mask = used[1::2].reshape(*(1,) * axis, *used[1::2].shape, *(1,) * (found[0].ndim - axis - 1))
        best = _better(early, late, mask)
        current = (
            lax.concatenate([best[0], last[0]], axis),
            None if best[1] is None or last[1] is None else lax.concatenate([best[1], last[1]], axis),
        )
        used = used[::2]
    return _each(lambda array: array.squeeze(axis), current)


def _every_other(array: jax.Array, *, start: int, axis: int) -> jax.Array:
    return lax.slice_in_dim(array, start, None, 2, axis)


def _each(change: Callable[[jax.Array], jax.Array], found: Candidate) -> Candidate:
    return change(found[0]), None if found[1] is None else change(found[1])


def _pick(found: Candidate, axis: int, tap: Taps) -> Candidate:
    x, places = found
    return sample(x, axis, tap), None if places is None else jnp.take(places, tap.index[0], axis=axis, mode="clip")


def _better(best: Candidate, other: Candidate, used: Array) -> Candidate:
    wins = other[0] > best[0]
    if jnp.issubdtype(other[0].dtype, jnp.floating):
        wins |= jnp.isnan(other[0])
    if not used.all():
        wins &= used
    places = None if best[1] is None or other[1] is None else jnp.where(wins, other[1], best[1])
    return jnp.where(wins, other[0], best[0]), places


def _spread(flags: Array, axis: int, ndim: int) -> Array:
    return flags.reshape(*(1,) * axis, -1, *(1,) * (ndim - axis - 1))


def _lowest(dtype: Any) -> Any:
    return -jnp.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min
