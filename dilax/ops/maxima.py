"""The largest sample of each window, and where it lies."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .picking import pick
from .sampling import Array, Taps, sample

# With more taps than this, a window's samples are compared in pairs instead of one after the other.
_FEW_TAPS = 16

# Values, and their places along the axis.
Candidate = tuple[jax.Array, jax.Array]


def largest(x: jax.Array, windows: Sequence[Taps], *, places: bool) -> tuple[jax.Array, jax.Array | None]:
    """The largest sample of each window, the first of equals, or the last NaN if there is one, as in PyTorch.

    Args:
        x: ``(N, *spatial, C)``.
        windows: The windows along each spatial axis.
        places: Whether places are wanted.

    Returns:
        ``(N, *output, C)``, and integers of that shape or None: places in the flattened spatial axes.
    """
    spatial = x.shape[1:-1]
    flat = jnp.broadcast_to(jnp.arange(int(np.prod(spatial))).reshape(1, *spatial, 1), x.shape) if places else None
    # From the last axis on, so that the first of equals is the first in the order of the flattened axes.
    for axis in reversed(range(1, len(windows) + 1)):
        taps = windows[axis - 1]
        x, winner = _largest_along(x, axis, taps)
        flat = None if flat is None else jnp.take_along_axis(flat, winner, axis)
        empty = ~taps.used[0]
        if empty.any():  # dilation steps over the whole axis
            x = jnp.where(_spread(empty, axis, x.ndim), _lowest(x.dtype), x)
    return x, flat


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _largest_along(x: jax.Array, axis: int, windows: Taps) -> Candidate:
    return (_in_pairs if len(windows.index) > _FEW_TAPS else _in_turn)(x, axis, windows)


@_largest_along.defjvp
def _slope(axis: int, windows: Taps, primals: Any, tangents: Any) -> tuple[Candidate, tuple[jax.Array, Any]]:
    x, winner = _largest_along(primals[0], axis, windows)
    none = np.zeros(winner.shape, jax.dtypes.float0)
    return (x, winner), (pick(tangents[0], winner, axis, windows), none)


def _in_turn(x: jax.Array, axis: int, windows: Taps) -> Candidate:
    best: Candidate | None = None
    for index, used in zip(windows.index, windows.used, strict=True):
        value = sample(x, axis, Taps(windows.size, index[None]))
        other = (value, jnp.asarray(_spread(index, axis, x.ndim), jnp.int32))
        best = other if best is None else _better(best, other, _spread(used, axis, x.ndim))
    assert best is not None  # there is at least one tap
    return best[0], jnp.broadcast_to(best[1], best[0].shape)


def _in_pairs(x: jax.Array, axis: int, windows: Taps) -> Candidate:
    """All windows' samples on a new axis, of which neighbours are compared until one is left."""
    taps, outputs = windows.index.shape
    value = sample(x, axis, Taps(windows.size, windows.index.reshape(1, -1)))
    value = value.reshape(*x.shape[:axis], taps, outputs, *x.shape[axis + 1 :])
    index = windows.index.reshape(*(1,) * axis, taps, outputs, *(1,) * (x.ndim - axis - 1))
    current = (value, jnp.broadcast_to(jnp.asarray(index, jnp.int32), value.shape))
    used = windows.used
    while len(used) > 1:
        pairs = len(used) // 2
        part = partial(lax.slice_in_dim, axis=axis)
        early = _each(lambda array: part(array, 0, 2 * pairs, 2), current)  # noqa: B023
        late = _each(lambda array: part(array, 1, None, 2), current)  # noqa: B023
        mask = used[1::2].reshape(*(1,) * axis, pairs, outputs, *(1,) * (x.ndim - axis - 1))
        best = _better(early, late, mask)
        last = _each(lambda array: part(array, 2 * pairs, None), current)  # noqa: B023
        current = (lax.concatenate([best[0], last[0]], axis), lax.concatenate([best[1], last[1]], axis))
        used = used[::2]
    return _each(lambda array: array.squeeze(axis), current)


def _each(change: Callable[[jax.Array], jax.Array], found: Candidate) -> Candidate:
    return change(found[0]), change(found[1])


def _better(best: Candidate, other: Candidate, used: Array) -> Candidate:
    wins = other[0] > best[0]
    if jnp.issubdtype(other[0].dtype, jnp.floating):
        wins |= jnp.isnan(other[0])
    if not used.all():
        wins &= used
    return jnp.where(wins, other[0], best[0]), jnp.where(wins, other[1], best[1])


def _spread(flags: Array, axis: int, ndim: int) -> Array:
    return flags.reshape(*(1,) * axis, -1, *(1,) * (ndim - axis - 1))


def _lowest(dtype: Any) -> Any:
    return -jnp.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min
