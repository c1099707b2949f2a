"""The compiled computations as functions of JAX arrays."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import mlir

from .. import lowerings
from ..problem import Problem
from . import library

# XLA sums a product one number after the other: over more channels its error is more than one and a half times
# PyTorch's.
_SUMMED = 256
# Where so few numbers lie together, XLA adds them up as fast.
_FEW = 4096


def lowering(fast: Callable[..., jax.Array], otherwise: Callable[..., jax.Array]) -> Any:
    """A primitive's lowering for a CPU: to a function that calls the library where that can be, or to another.

    It cannot be in a program for several devices, which do not share a call of compiled code.
    """

    def lower(context: Any, *arguments: Any, **parameters: Any) -> Any:
        alone = getattr(context.module_context.axis_context, "num_devices", None) == 1
        compute = fast if alone and takes(context.avals_in[0].dtype) else otherwise
        return mlir.lower_fun(partial(compute, **parameters), multiple_results=False)(context, *arguments)

    return lower


def takes(dtype: Any) -> bool:
    """Whether the library is there and computes in this dtype."""
    return dtype == jnp.float32 and library.is_loaded()


def forward(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native`."""
    if lowerings.is_product(problem) and kernel.shape[-2] <= _SUMMED:
        return lowerings.product(x, kernel, problem)
    c_in, c_out = kernel.shape[-2], kernel.shape[-1] // problem.groups
    if problem.groups > 1 and c_in == 1 < c_out:
        x, problem, c_out = jnp.repeat(x, c_out, axis=-1), _depthwise(problem, c_out), 1
    shape = (x.shape[0], *problem.out_size, kernel.shape[-1])
    call = jax.ffi.ffi_call("dilax_convolve", jax.ShapeDtypeStruct(shape, x.dtype))
    return call(x, kernel, geometry=_geometry(x.shape[0], c_in, c_out, problem), transposed=False)


def input_gradient(out_gradient: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_input_gradient`."""
    if lowerings.is_product(problem) and kernel.shape[-1] <= _SUMMED:
        return lowerings.product_input_gradient(out_gradient, kernel, problem)
    batch = out_gradient.shape[0]
    c_in, c_out = kernel.shape[-2], kernel.shape[-1] // problem.groups
    if problem.groups > 1 and c_in == 1 < c_out:
        every = input_gradient(out_gradient, kernel, _depthwise(problem, c_out))
        return every.reshape(*every.shape[:-1], problem.groups, c_out).sum(-1)
    shape = (batch, *problem.size, c_in * problem.groups)
    call = jax.ffi.ffi_call("dilax_convolve", jax.ShapeDtypeStruct(shape, out_gradient.dtype))
    geometry = _geometry(batch, c_out, c_in, problem, transposed=True)
    return call(out_gradient, kernel, geometry=geometry, transposed=True)


def kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_kernel_gradient`."""
    c_in, c_out = x.shape[-1] // problem.groups, out_gradient.shape[-1] // problem.groups
    if problem.groups > 1 and c_in == 1 < c_out:
        x, problem, c_out = jnp.repeat(x, c_out, axis=-1), _depthwise(problem, c_out), 1
    shape = (*problem.kernel_size, c_in, out_gradient.shape[-1])
    call = jax.ffi.ffi_call("dilax_convolve_kernel_gradient", jax.ShapeDtypeStruct(shape, x.dtype))
    return call(x, out_gradient, geometry=_geometry(x.shape[0], c_in, c_out, problem))


def adds_up(shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether :func:`total` takes these axes: neighbours, of enough numbers."""
    neighbours = len(axes) == axes[-1] + 1 - axes[0]
    return neighbours and math.prod(shape) > 0 and math.prod(shape[axes[0] :]) >= _FEW


def total(x: jax.Array, axes: tuple[int, ...], count: int) -> jax.Array:
    """The sum of float32 numbers over neighbouring axes, in float64, over a count."""
    first, last = axes[0], axes[-1] + 1
    before, summed, after = (math.prod(lengths) for lengths in (x.shape[:first], x.shape[first:last], x.shape[last:]))
    call = jax.ffi.ffi_call("dilax_total", jax.ShapeDtypeStruct((*x.shape[:first], *x.shape[last:]), x.dtype))
    return call(x, shape=np.array([before, summed, after], np.int64), count=np.int64(count))


def sample(x: jax.Array, axis: int, places: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> jax.Array:
    """For each sample of the result along an axis, the sum of samples of float32 times their weights.

    Args:
        x: Float32.
        axis: The axis, not negative.
        places: ``(taps, outputs)``, the sample that each tap reads, or -1.
        weights: ``(taps, outputs)``.
    """
    before, length, after = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    shape = (*x.shape[:axis], places.shape[1], *x.shape[axis + 1 :])
    call = jax.ffi.ffi_call("dilax_sample", jax.ShapeDtypeStruct(shape, x.dtype))
    numbers = np.array([before, length, after], np.int64)
    return call(x, jnp.asarray(places, jnp.int32), jnp.asarray(weights, jnp.float32), shape=numbers)


def _depthwise(problem: Problem, times: int) -> Problem:
    """With a group for every output channel."""
    return problem._replace(groups=problem.groups * times)


def _geometry(batch: int, reads: int, gives: int, problem: Problem, *, transposed: bool = False) -> Any:
    """What ``Decode`` in the source takes: the batch, groups, channels of a group, and six numbers for each axis."""
    axes = [(1, 1, 1, 1, 0, 1)] * (3 - problem.axes)
    for length, out, taps, step, (before, _), rate in zip(
        problem.size, problem.out_size, problem.kernel_size, problem.stride, problem.pads, problem.dilation, strict=True
    ):
        read, given = (out, length) if transposed else (length, out)
        axes.append((read, given, taps, step, before, rate))
    return np.array([batch, problem.groups, reads, gives, *(number for axis in axes for number in axis)], np.int64)
