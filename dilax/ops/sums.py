"""Sums of float32 with the error of one rounding, however many terms there are.

XLA on a CPU adds up in float32, one term after the other, so the error grows as the square root of their number;
PyTorch takes statistics in float64. So do these, by :mod:`dilax.ops.compiled` where they can, about as fast as the
numbers are read, in a quarter to two thirds of the time of XLA. They are primitives because the gradient of a parameter
that is added to every pixel is a sum too, which JAX would make of its own: that of :func:`spread` is :func:`total`, and
the reverse.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from . import compiled
from .primitives import apply_here

Axes = tuple[int, ...]


def _divided(x: jax.Array, count: int) -> jax.Array:
    return x / count if count > 1 else x


def _sum(x: jax.Array, *, axes: Axes, count: int) -> jax.Array:
    return _divided(x.sum(axes), count)


def _fast_sum(x: jax.Array, *, axes: Axes, count: int) -> jax.Array:
    return (compiled.total if compiled.adds_up(x.shape, axes) else _wide_sum)(x, axes=axes, count=count)


def _wide_sum(x: jax.Array, *, axes: Axes, count: int) -> jax.Array:
    if x.dtype != jnp.float32:
        return _sum(x, axes=axes, count=count)
    with jax.enable_x64(True):
        return _sum(x.astype(jnp.float64), axes=axes, count=count).astype(jnp.float32)


def _broadcast(x: jax.Array, *, axes: Axes, lengths: tuple[int, ...]) -> jax.Array:
    shape = list(x.shape)
    for axis, length in zip(axes, lengths, strict=True):
        shape.insert(axis, length)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    return lax.broadcast_in_dim(x, shape, kept)


def _primitive(name: str, compute: Any, lowering_for_cpu: Any, batched: Any) -> Any:
    primitive = Primitive(name)

    def abstract(x: Any, **params: Any) -> ShapedArray:
        result = jax.eval_shape(partial(compute, **params), jax.ShapeDtypeStruct(x.shape, x.dtype))
        return ShapedArray(result.shape, result.dtype)

    primitive.def_impl(jax.jit(primitive.bind, static_argnames=("axes", "count", "lengths")))
    primitive.def_abstract_eval(abstract)
    mlir.register_lowering(primitive, lowering_for_cpu, platform="cpu")
    mlir.register_lowering(primitive, mlir.lower_fun(compute, multiple_results=False))
    batching.primitive_batchers[primitive] = batched
    return primitive


def _batched_total(arguments: Any, dims: Any, *, axes: Axes, count: int) -> Any:
    return _total(jnp.moveaxis(arguments[0], dims[0], 0), tuple(axis + 1 for axis in axes), count), 0


def _batched_spread(arguments: Any, dims: Any, *, axes: Axes, lengths: tuple[int, ...]) -> Any:
    return _spread(jnp.moveaxis(arguments[0], dims[0], 0), tuple(axis + 1 for axis in axes), lengths), 0


_total_p = _primitive("dilax_total", _sum, compiled.lowering(_fast_sum, _wide_sum), _batched_total)
_spread_p = _primitive("dilax_spread", _broadcast, mlir.lower_fun(_broadcast, multiple_results=False), _batched_spread)
ad.deflinear2(
    _total_p,
    lambda cotangent, x, axes, count: [
        _spread(_divided(cotangent, count), axes, tuple(x.aval.shape[axis] for axis in axes))
    ],
)
ad.deflinear2(_spread_p, lambda cotangent, _x, axes, lengths: [total(cotangent, axes)])


def total(x: jax.Array, axes: Axes) -> jax.Array:
    """Sum over axes.

    Args:
        x: An array.
        axes: Different axes of it, not negative, in order.

    Returns:
        An array without these axes, of the same dtype.
    """
    return _total(x, axes, 1)


def mean(x: jax.Array, axes: Axes) -> jax.Array:
    """As :func:`total`, over the number of terms."""
    return _total(x, axes, math.prod(x.shape[axis] for axis in axes))


def _total(x: jax.Array, axes: Axes, count: int) -> jax.Array:
    return (_total_p.bind if apply_here(x) else _sum)(x, axes=axes, count=count)


def spread(x: jax.Array, shape: tuple[int, ...], axes: Axes | None = None) -> jax.Array:
    """Broadcast; the gradient is :func:`total`.

    Args:
        x: An array.
        shape: Shape of the result.
        axes: Its axes that ``x`` does not have, not negative, in order; the first ones if None.
    """
    axes = tuple(range(len(shape) - x.ndim)) if axes is None else axes
    return _spread(x, axes, tuple(shape[axis] for axis in axes))


def _spread(x: jax.Array, axes: Axes, lengths: tuple[int, ...]) -> jax.Array:
    if not apply_here(x):
        return _broadcast(x, axes=axes, lengths=lengths)
    return _spread_p.bind(x, axes=axes, lengths=lengths)
