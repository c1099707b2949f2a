"""3-D convolutions of stride 1 on XLA's fast path for 2-D ones, a few depth rows at a time."""

import jax
import jax.numpy as jnp
from jax import lax

from ..problem import Problem, native
from .columns import columns

# Depth rows computed at a time: two fill the cache, more spill it (measured 2026-11-24, 32³ to 96³, 1 to 21 channels).
_ROWS = 2


def folds(problem: Problem) -> bool:
    """Whether :func:`depth_slabs` can compute this convolution and both its gradients."""
    return (
        problem.axes == 3
        and problem.stride == (1, 1, 1)
        and problem.groups == 1
        and all(min(pair) >= 0 and max(pair) <= reach for pair, reach in zip(problem.pads, problem.reach, strict=True))
    )


# Up to so many channels one product with all in-plane taps side by side is faster than XLA's 2-D convolution, by 1.2
# times (16 channels) to 2 (5); from 21 on they are even (measured 2026-11-24, 48³ to 96³).
_FEW = 16


def depth_slabs(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """A 3-D convolution of stride 1 as one 2-D convolution, a few depth rows at a time.

    XLA has a fast path for 2-D convolutions on the CPU and none for 3-D ones. The kernel's depth taps are put side by
    side on the output channels, so that each input row is read once and yields its part of every output row that it
    reaches; the parts are added up in place. The memory beyond input and output is that of a few rows.
    """
    taps, height, width, c_in, c_out = kernel.shape
    rate = problem.dilation[0]
    before = problem.pads[0][0]
    reach = rate * (taps - 1)
    batch, depth = x.shape[:2]
    depth_out = depth + sum(problem.pads[0]) - reach
    rows = min(_ROWS, depth)
    slabs = -(-depth // rows)
    total = jnp.promote_types(x.dtype, jnp.float32)  # bfloat16 sums lose digits
    kernel = kernel.transpose(1, 2, 3, 0, 4).reshape(height, width, c_in, taps * c_out).astype(total)
    plane = _plane(problem)
    x = jnp.pad(x, ((0, 0), (0, slabs * rows - depth), (0, 0), (0, 0), (0, 0)))

    def add_slab(index: jax.Array, out: jax.Array) -> jax.Array:
        slab = lax.dynamic_slice_in_dim(x, index * rows, rows, axis=1)
        compute = columns if c_in <= _FEW else native
        flat = compute(slab.reshape(batch * rows, *slab.shape[2:]).astype(total), kernel, plane)
        parts = flat.reshape(batch, rows, *flat.shape[1:3], taps, c_out)
        for tap in range(taps):
            start = index * rows + reach - tap * rate
            here = lax.dynamic_slice_in_dim(out, start, rows, axis=1)
            out = lax.dynamic_update_slice_in_dim(out, here + parts[..., tap, :], start, axis=1)
        return out

    size = [
        length + sum(pair) - gap * (window - 1)
        for length, pair, gap, window in zip(x.shape[2:4], plane.pads, plane.dilation, (height, width), strict=True)
    ]
    out = jnp.zeros((batch, slabs * rows + reach, *size, c_out), total)
    out = lax.fori_loop(0, slabs, add_slab, out)
    # Row `reach - before` of the buffer is the first output row that the padding asks for.
    return lax.slice_in_dim(out, reach - before, reach - before + depth_out, axis=1).astype(x.dtype)


def depth_slabs_kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """Gradient of :func:`depth_slabs` for its kernel: one small matrix product for each in-plane tap of each slab.

    Args:
        x: The convolution's input, ``(N, D, H, W, C_in)``.
        out_gradient: Gradient of its output, ``(N, D', H', W', C_out)``.
        problem: The convolution's.

    Returns:
        Gradient of the kernel, ``(*kernel_size, C_in, C_out)``.
    """
    taps, height, width = problem.kernel_size
    rate, *plane_rates = problem.dilation
    before, _ = problem.pads[0]
    reach = rate * (taps - 1)
    depth, c_in, c_out = x.shape[1], x.shape[-1], out_gradient.shape[-1]
    rows = min(_ROWS, depth)
    slabs = -(-depth // rows)
    rest = slabs * rows - depth
    x = jnp.pad(x, ((0, 0), (0, rest), *problem.pads[1:], (0, 0)))
    # Input row r meets tap t in output row r + before - t * rate, which this padding puts at r + reach - t * rate.
    ends = (reach - before, slabs * rows + before - out_gradient.shape[1])
    out_gradient = jnp.pad(out_gradient, ((0, 0), ends, (0, 0), (0, 0), (0, 0)))
    h_out, w_out = out_gradient.shape[2:4]
    total = jnp.promote_types(x.dtype, jnp.float32)

    def add_slab(index: jax.Array, gradient: jax.Array) -> jax.Array:
        slab = lax.dynamic_slice_in_dim(x, index * rows, rows, axis=1)
        reached = [
            lax.dynamic_slice_in_dim(out_gradient, index * rows + reach - tap * rate, rows, axis=1)
            for tap in range(taps)
        ]
        beside = jnp.concatenate(reached, axis=-1).reshape(-1, taps * c_out)
        products = []
        for row in range(height):
            for column in range(width):
                top, left = row * plane_rates[0], column * plane_rates[1]
                seen = slab[:, :, top : top + h_out, left : left + w_out].reshape(-1, c_in)
                products.append(
                    lax.dot_general(
                        seen,
                        beside,
                        (((0,), (0,)), ((), ())),
                        precision=problem.precision,
                        preferred_element_type=total,
                    )
                )
        return gradient + jnp.stack(products)

    gradient = jnp.zeros((height * width, c_in, taps * c_out), total)
    gradient = lax.fori_loop(0, slabs, add_slab, gradient)
    gradient = gradient.reshape(height, width, c_in, taps, c_out).transpose(3, 0, 1, 2, 4)
    return gradient.astype(x.dtype)


def _plane(problem: Problem) -> Problem:
    """The same in each depth row."""
    return problem._replace(
        size=problem.size[1:], kernel_size=problem.kernel_size[1:], stride=problem.stride[1:], pads=problem.pads[1:],
        dilation=problem.dilation[1:],
    )  # fmt: skip
