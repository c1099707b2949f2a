"""One sample of each window, by its place, and the transpose: what the slope of a maximum is made of.

The transpose reads, for each input sample, the few windows that hold it, and takes what they gave it; no scatter.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .primitives import apply_here
from .sampling import Taps

# With at least so many windows over a sample, their terms are summed in a loop.
_MANY = 4


def pick(x: jax.Array, winner: jax.Array, axis: int, windows: Taps) -> jax.Array:
    """The sample at a place of an axis, one for each window.

    Args:
        x: Any floating array.
        winner: Integers; places along the axis, each within its window. Like ``x`` but for the axis, which has one
            place for each window.
        axis: The axis, not negative.
        windows: Where the windows lie.

    Returns:
        An array shaped as ``winner``, of the dtype of ``x``.
    """
    if not winner.size or not apply_here(x, winner):
        return _pick(x, winner, axis=axis, windows=windows)
    return _pick_p.bind(x, winner, axis=axis, windows=windows)


def _pick(x: jax.Array, winner: jax.Array, *, axis: int, windows: Taps) -> jax.Array:
    return jnp.take_along_axis(x, winner, axis)


def _place(y: jax.Array, winner: jax.Array, *, axis: int, windows: Taps) -> jax.Array:
    """For each input sample, the sum over the windows that picked it."""
    back = windows.transpose
    along = [-1 if place == axis else 1 for place in range(y.ndim)]
    own = jnp.arange(windows.size, dtype=winner.dtype).reshape(along)

    def part(index: Any, used: Any) -> jax.Array:
        chosen = (jnp.take(winner, index, axis=axis, mode="clip") == own) & used.reshape(along)
        return jnp.where(chosen, jnp.take(y, index, axis=axis, mode="clip"), jnp.zeros((), y.dtype))

    if len(back.index) < _MANY:
        return sum(map(part, back.index[1:], back.used[1:]), part(back.index[0], back.used[0]))
    # A loop, because XLA would otherwise fuse the axes and do one axis's sums over for each term of the other's.
    start = jnp.zeros((*y.shape[:axis], windows.size, *y.shape[axis + 1 :]), y.dtype)
    total, _ = lax.scan(lambda total, tap: (total + part(*tap), None), start, (back.index, back.used))
    return total


def _pick_shape(x: Any, winner: Any, *, axis: int, windows: Taps) -> ShapedArray:
    return ShapedArray(winner.shape, x.dtype)


def _place_shape(y: Any, winner: Any, *, axis: int, windows: Taps) -> ShapedArray:
    return ShapedArray((*y.shape[:axis], windows.size, *y.shape[axis + 1 :]), y.dtype)


def _batched(primitive: Any, args: Any, dims: Any, *, axis: int, windows: Taps) -> tuple[jax.Array, int]:
    length = next(array.shape[dim] for array, dim in zip(args, dims, strict=True) if dim is not None)
    stacked = [
        jnp.broadcast_to(array, (length, *array.shape)) if dim is None else jnp.moveaxis(array, dim, 0)
        for array, dim in zip(args, dims, strict=True)
    ]
    return primitive.bind(*stacked, axis=axis + 1, windows=windows), 0


def _make(name: str, function: Any, shape: Any) -> Any:
    primitive: Any = Primitive(f"dilax_{name}")
    primitive.def_impl(jax.jit(function, static_argnames=("axis", "windows")))
    primitive.def_abstract_eval(shape)
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    batching.primitive_batchers[primitive] = partial(_batched, primitive)
    return primitive


_pick_p = _make("pick", _pick, _pick_shape)
_place_p = _make("place", _place, _place_shape)


def _linear_in_the_first(primitive: Any, transpose: Any) -> None:
    """The other argument is of integers and has no slope."""
    ad.defjvp(primitive, lambda tangent, _x, winner, **params: primitive.bind(tangent, winner, **params), None)
    ad.primitive_transposes[primitive] = lambda cotangent, _x, winner, **params: [
        ad.Zero(_x.aval) if type(cotangent) is ad.Zero else transpose.bind(cotangent, winner, **params),
        None,
    ]


_linear_in_the_first(_pick_p, _place_p)
_linear_in_the_first(_place_p, _pick_p)
