"""The input's gradient of a convolution, which is also the transposed convolution."""

import itertools

import jax
import jax.numpy as jnp
from jax import lax

from ..problem import Contraction, Problem, flipped


def stuffed(out_gradient: jax.Array, kernel: jax.Array, problem: Problem, forward: Contraction) -> jax.Array:
    """A convolution of stride 1 with the kernel turned round, over the gradient with zeros between its samples."""
    turned, turned_problem = flipped(kernel, problem)
    # Windows of a stride above 1 can leave samples at the end that no window sees.
    rest = [
        length + before + after - reach - 1 - (out - 1) * step
        for length, (before, after), reach, out, step in zip(
            problem.size, problem.pads, problem.reach, problem.out_size, problem.stride, strict=True
        )
    ]
    if any(step > 1 for step in problem.stride):
        between = [(0, after, step - 1) for after, step in zip(rest, problem.stride, strict=True)]
        zero = jnp.zeros((), out_gradient.dtype)
        out_gradient = lax.pad(out_gradient, zero, [(0, 0, 0), *between, (0, 0, 0)])
    size = out_gradient.shape[1:-1]
    return forward(out_gradient, turned, turned_problem._replace(size=size, stride=(1,) * problem.axes))


def phases(out_gradient: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """For a stride above 1 and no dilation: each sample of the gradient gives ``stride`` samples for each row of taps.

    No zero is multiplied. One group, or as many as there are input channels.
    """
    stride = problem.stride
    rows = tuple(-(-taps // step) for taps, step in zip(problem.kernel_size, stride, strict=True))
    batch = out_gradient.shape[0]
    c_in = kernel.shape[-2] * problem.groups
    total = jnp.promote_types(out_gradient.dtype, jnp.float32)
    grown = [(0, row * step - taps) for row, step, taps in zip(rows, stride, problem.kernel_size, strict=True)]
    kernel = jnp.pad(kernel, (*grown, (0, 0), (0, 0)))
    kernel = kernel.reshape(*(n for pair in zip(rows, stride, strict=True) for n in pair), *kernel.shape[-2:])
    out_size = problem.out_size
    blocks = tuple(out + row - 1 for out, row in zip(out_size, rows, strict=True))
    whole = jnp.zeros((batch, *(n for pair in zip(blocks, stride, strict=True) for n in pair), c_in), total)
    for row in itertools.product(*map(range, rows)):
        part = kernel[tuple(index for one in row for index in (one, slice(None)))]  # (*stride, C_in / groups, C_out)
        product = _spread(out_gradient, part, problem, total)
        where = tuple(
            index for one, out in zip(row, out_size, strict=True) for index in (slice(one, one + out), slice(None))
        )
        whole = whole.at[(slice(None), *where)].add(product)
    whole = whole.reshape(batch, *(n * step for n, step in zip(blocks, stride, strict=True)), c_in)
    ends = [
        (-before, length + before - have, 0)
        for (before, _), length, have in zip(problem.pads, problem.size, whole.shape[1:-1], strict=True)
    ]
    return lax.pad(whole, jnp.zeros((), total), [(0, 0, 0), *ends, (0, 0, 0)]).astype(out_gradient.dtype)


def _spread(out_gradient: jax.Array, part: jax.Array, problem: Problem, total: jnp.dtype) -> jax.Array:
    """``(N, *out_size, C_out)`` times ``(*stride, C_in / groups, C_out)``: ``(N, out, stride, …, C_in)``."""
    axes, stride = problem.axes, problem.stride
    batch, c_out = out_gradient.shape[0], out_gradient.shape[-1]
    if problem.groups == 1:
        columns = jnp.moveaxis(part, -1, 0).reshape(c_out, -1)
        product = lax.dot_general(
            out_gradient.reshape(-1, c_out), columns, (((1,), (0,)), ((), ())),
            precision=problem.precision, preferred_element_type=total,
        ).reshape(batch, *problem.out_size, *stride, -1)  # fmt: skip
        order = (0, *(axis for one in range(axes) for axis in (1 + one, 1 + axes + one)), 2 * axes + 1)
        return product.transpose(order)
    # Depthwise: the groups' output channels are summed.
    multiplier = c_out // problem.groups
    shape = (batch, *(n for out in problem.out_size for n in (out, 1)), problem.groups, multiplier)
    taps = part.reshape(*(n for step in stride for n in (1, step)), problem.groups, multiplier)
    return (out_gradient.reshape(shape).astype(total) * taps.astype(total)).sum(-1)


def divides(problem: Problem, channels: int) -> bool:
    """Whether :func:`phases` can compute this one."""
    return (
        any(step > 1 for step in problem.stride)
        and all(rate == 1 for rate in problem.dilation)
        and problem.groups in (1, channels)
    )
