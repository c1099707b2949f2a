"""A convolution as a sum over its taps, each computed only where it meets the input."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..problem import Problem


def taps(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """One matrix product for each tap; for one group.

    A tap whose dilation comes near the input's size reads little but padding: that part is left out.
    """
    c_in, c_out = kernel.shape[-2:]
    total = jnp.promote_types(x.dtype, jnp.float32)
    out = jnp.zeros((x.shape[0], *problem.out_size, c_out), total)
    for tap, places, seen in _meetings(problem):
        part = _strided(x, seen)
        product = lax.dot_general(
            part.reshape(-1, c_in), kernel[tap], (((1,), (0,)), ((), ())),
            precision=problem.precision, preferred_element_type=total,
        )  # fmt: skip
        out = out.at[(slice(None), *places)].add(product.reshape(*part.shape[:-1], c_out))
    return out.astype(x.dtype)


def taps_kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """The kernel's gradient by one matrix product for each tap; for one group."""
    c_in, c_out = x.shape[-1], out_gradient.shape[-1]
    total = jnp.promote_types(x.dtype, jnp.float32)
    gradient = jnp.zeros((*problem.kernel_size, c_in, c_out), total)
    for tap, places, seen in _meetings(problem):
        product = lax.dot_general(
            _strided(x, seen).reshape(-1, c_in), out_gradient[(slice(None), *places)].reshape(-1, c_out),
            (((0,), (0,)), ((), ())), precision=problem.precision, preferred_element_type=total,
        )  # fmt: skip
        gradient = gradient.at[tap].set(product)
    return gradient.astype(x.dtype)


def group_taps(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """One multiply-add for each tap and each channel of a group; for groups of few channels, or one (depthwise)."""
    groups = problem.groups
    c_group, c_out = kernel.shape[-2:]
    total = jnp.promote_types(x.dtype, jnp.float32)
    out = jnp.zeros((), total)
    if c_group == 1:
        x = _repeated(x, c_out // groups)
        for tap, part in windows(x, problem):
            out = out + part.astype(total) * kernel[(*tap, 0)].astype(total)
        return out.astype(x.dtype)
    kernel = kernel.reshape(*problem.kernel_size, c_group, groups, c_out // groups)
    for tap, part in windows(x, problem):
        split = part.reshape(*part.shape[:-1], groups, c_group).astype(total)
        # A tap's products are summed before they join the others: sums of fewer numbers lose fewer digits.
        products = [split[..., channel, None] * kernel[(*tap, channel)].astype(total) for channel in range(c_group)]
        out = out + sum(products[1:], start=products[0])
    return out.reshape(x.shape[0], *problem.out_size, c_out).astype(x.dtype)


def depthwise_kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """The kernel's gradient where each group has one input channel: a sum of products for each tap.

    All taps of one row of the output are summed before the next row, while the rows that they read are in the cache.
    """
    if problem.axes == 1:
        return depthwise_sums(x, out_gradient, problem)
    around = padded(_repeated(x, out_gradient.shape[-1] // problem.groups), problem)
    # What is left of the problem when the padding is done, and in one row.
    inner = problem._replace(size=around.shape[1:-1], pads=((0, 0),) * problem.axes)
    row = inner._replace(
        size=inner.size[1:], kernel_size=inner.kernel_size[1:], stride=inner.stride[1:], pads=inner.pads[1:],
        dilation=inner.dilation[1:],
    )  # fmt: skip
    batch, rows = out_gradient.shape[:2]
    step, rate = problem.stride[0], problem.dilation[0]

    def add_row(index: jax.Array, gradient: jax.Array) -> jax.Array:
        sample, place = index // rows, index % rows
        here = _row(out_gradient, sample, place)
        seen = [_row(around, sample, place * step + tap * rate) for tap in range(problem.kernel_size[0])]
        return gradient + jnp.stack([_sums(one, here, row) for one in seen])

    total = jnp.promote_types(x.dtype, jnp.float32)
    taps = math.prod(row.kernel_size)
    gradient = jnp.zeros((problem.kernel_size[0], taps, out_gradient.shape[-1]), total)
    gradient = lax.fori_loop(0, batch * rows, add_row, gradient)
    return gradient.reshape(*problem.kernel_size, 1, -1).astype(x.dtype)


def depthwise_sums(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`depthwise_kernel_gradient`, each tap's sum by itself."""
    sums = _sums(_repeated(x, out_gradient.shape[-1] // problem.groups), out_gradient, problem)
    return sums.reshape(*problem.kernel_size, 1, -1).astype(x.dtype)


def _repeated(x: jax.Array, times: int) -> jax.Array:
    """Each input channel beside itself, once for each output channel of its group."""
    return x if times == 1 else jnp.repeat(x, times, axis=-1)


def _sums(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """``(taps, C_out)``, in float32 at least."""
    total = jnp.promote_types(x.dtype, jnp.float32)
    axes = tuple(range(problem.axes + 1))
    out_gradient = out_gradient.astype(total)
    return jnp.stack([(part.astype(total) * out_gradient).sum(axes) for _, part in windows(x, problem)])


def _row(x: jax.Array, sample: jax.Array, row: jax.Array) -> jax.Array:
    """``(1, *rest, C)`` of ``(N, rows, *rest, C)``."""
    starts: list[Any] = [sample, row, *[0] * (x.ndim - 2)]
    return lax.dynamic_slice(x, starts, (1, 1, *x.shape[2:])).reshape(1, *x.shape[2:])


def _meetings(problem: Problem) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
    """Each tap that meets the input, where in the output it does, and what of the input it meets there."""
    for tap in itertools.product(*map(range, problem.kernel_size)):
        met = [problem.met(axis, index) for axis, index in enumerate(tap)]
        if not all(met):
            continue
        places = tuple(slice(places.start, places.stop) for places in met)
        firsts = [
            places.start * step + index * rate - before
            for places, step, index, rate, (before, _) in zip(
                met, problem.stride, tap, problem.dilation, problem.pads, strict=True
            )
        ]
        seen = tuple(
            slice(first, first + (len(places) - 1) * step + 1, step)
            for first, places, step in zip(firsts, met, problem.stride, strict=True)
        )
        yield tap, places, seen


def windows(x: jax.Array, problem: Problem) -> Iterator[tuple[tuple[int, ...], jax.Array]]:
    """Each tap, and what it meets at every place of the output, zeros included."""
    x = padded(x, problem)
    for tap in itertools.product(*map(range, problem.kernel_size)):
        yield tap, window(x, tap, problem)


def window(x: jax.Array, tap: tuple[int, ...], problem: Problem) -> jax.Array:
    """What a tap meets of the padded input at every place of the output."""
    seen = tuple(
        slice(index * rate, index * rate + (length - 1) * step + 1, step)
        for index, rate, length, step in zip(tap, problem.dilation, problem.out_size, problem.stride, strict=True)
    )
    return _strided(x, seen)


def padded(x: jax.Array, problem: Problem) -> jax.Array:
    """The input with the problem's zeros around it."""
    ends = [(0, 0, 0), *((*pair, 0) for pair in problem.pads), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), ends)


def _strided(x: jax.Array, seen: tuple[slice, ...]) -> jax.Array:
    starts = [0, *(part.start for part in seen), 0]
    stops = [x.shape[0], *(part.stop for part in seen), x.shape[-1]]
    return lax.slice(x, starts, stops, [1, *(part.step or 1 for part in seen), 1])
