"""Ways to compute one convolution.

All take ``x (N, *spatial, C_in)`` and ``kernel (*kernel_size, C_in / groups, C_out)`` and give
``(N, *output, C_out)``; :func:`native` is the definition and the others equal it up to rounding.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .arguments import Pads

# Depth rows computed at a time: two fill the cache, more spill it (measured 2026-11-24, 32³ to 96³, 1 to 21 channels).
_ROWS = 2


class Geometry(NamedTuple):
    """What a convolution does besides its numbers; hashable, one entry for each spatial axis.

    Attributes:
        stride: Distance between windows.
        pads: Zeros before and after.
        dilation: Distance between taps.
        groups: Groups of channels.
        precision: As in ``jax.lax.dot_general``.
    """

    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int
    precision: Any = None


def native(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """XLA's own convolution, with ``rhs_dilation``; the definition of the operation."""
    spatial = "DHW"[-len(geometry.stride) :]
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=geometry.stride,
        padding=geometry.pads,
        rhs_dilation=geometry.dilation,
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
        feature_group_count=geometry.groups,
        precision=geometry.precision,
    )


def folds(kernel_shape: tuple[int, ...], geometry: Geometry) -> bool:
    """Whether :func:`depth_slabs` can compute this convolution and both its gradients."""
    return (
        len(geometry.stride) == 3
        and geometry.stride == (1, 1, 1)
        and geometry.groups == 1
        and all(
            max(pair) <= rate * (taps - 1)
            for pair, rate, taps in zip(geometry.pads, geometry.dilation, kernel_shape[:3], strict=True)
        )
    )


def depth_slabs(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """A 3-D convolution of stride 1 as one 2-D convolution, a few depth rows at a time.

    XLA has a fast path for 2-D convolutions on the CPU and none for 3-D ones. The kernel's depth taps are put side by
    side on the output channels, so that each input row is read once and yields its part of every output row that it
    reaches; the parts are added up in place. The memory beyond input and output is that of a few rows.
    """
    taps, height, width, c_in, c_out = kernel.shape
    rate = geometry.dilation[0]
    before = geometry.pads[0][0]
    reach = rate * (taps - 1)
    batch, depth = x.shape[:2]
    depth_out = depth + sum(geometry.pads[0]) - reach
    rows = min(_ROWS, depth)
    slabs = -(-depth // rows)
    kernel = kernel.transpose(1, 2, 3, 0, 4).reshape(height, width, c_in, taps * c_out)
    plane = geometry._replace(stride=geometry.stride[1:], pads=geometry.pads[1:], dilation=geometry.dilation[1:])
    x = jnp.pad(x, ((0, 0), (0, slabs * rows - depth), (0, 0), (0, 0), (0, 0)))
    total = jnp.promote_types(x.dtype, jnp.float32)  # bfloat16 sums lose digits

    def add_slab(index: jax.Array, out: jax.Array) -> jax.Array:
        slab = lax.dynamic_slice_in_dim(x, index * rows, rows, axis=1)
        flat = native(slab.reshape(batch * rows, *slab.shape[2:]), kernel, plane)
        parts = flat.reshape(batch, rows, *flat.shape[1:3], taps, c_out).astype(total)
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


def depth_slabs_kernel_gradient(
    x: jax.Array, out_gradient: jax.Array, kernel_size: tuple[int, ...], geometry: Geometry
) -> jax.Array:
    """Gradient of :func:`depth_slabs` for its kernel: one small matrix product for each in-plane tap of each slab.

    Args:
        x: The convolution's input, ``(N, D, H, W, C_in)``.
        out_gradient: Gradient of its output, ``(N, D', H', W', C_out)``.
        kernel_size: Taps along each axis.
        geometry: As for the convolution.

    Returns:
        Gradient of the kernel, ``(*kernel_size, C_in, C_out)``.
    """
    taps, height, width = kernel_size
    rate, *plane_rates = geometry.dilation
    before, _ = geometry.pads[0]
    reach = rate * (taps - 1)
    depth, c_in, c_out = x.shape[1], x.shape[-1], out_gradient.shape[-1]
    rows = min(_ROWS, depth)
    slabs = -(-depth // rows)
    rest = slabs * rows - depth
    x = jnp.pad(x, ((0, 0), (0, rest), *geometry.pads[1:], (0, 0)))
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
        columns = jnp.concatenate(reached, axis=-1).reshape(-1, taps * c_out)
        products = []
        for row in range(height):
            for column in range(width):
                top, left = row * plane_rates[0], column * plane_rates[1]
                seen = slab[:, :, top : top + h_out, left : left + w_out].reshape(-1, c_in)
                products.append(
                    lax.dot_general(
                        seen,
                        columns,
                        (((0,), (0,)), ((), ())),
                        precision=geometry.precision,
                        preferred_element_type=total,
                    )
                )
        return gradient + jnp.stack(products)

    gradient = jnp.zeros((height * width, c_in, taps * c_out), total)
    gradient = lax.fori_loop(0, slabs, add_slab, gradient)
    gradient = gradient.reshape(height, width, c_in, taps, c_out).transpose(3, 0, 1, 2, 4)
    return gradient.astype(x.dtype)
