"""The way back from max pooling."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError
from .arguments import per_axis
from .pool import resolve_windows, spatial_axes


def max_unpool(
    x: jax.Array,
    indices: jax.Array,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> jax.Array:
    """Put samples back to the places that :func:`max_pool` took them from, and zeros between.

    Args:
        x: ``(N, *spatial, C)`` with 1 to 3 spatial axes.
        indices: Integers of that shape: places in the flattened spatial axes of the output.
        kernel_size: As it was for :func:`max_pool`.
        stride: As it was; ``kernel_size`` if None.
        padding: As it was.
        output_size: Length of each spatial axis of the output; within one stride of what it is if None,
            ``(length - 1) * stride - 2 * padding + kernel_size``.

    Returns:
        ``(N, *output_size, C)``, of the dtype of ``x``. Where two samples have one place, the gradient is that of the
        place for both.

    Raises:
        ArgumentError: Shapes or arguments do not belong together.

    Differs from PyTorch: channels are last; a place outside the output is left out, where PyTorch raises.
    """
    axes = spatial_axes("max_unpool", x)
    sizes, steps, pads, _ = resolve_windows("max_unpool", axes, kernel_size, stride, padding, 1)
    if indices.shape != x.shape or not jnp.issubdtype(indices.dtype, jnp.integer):
        raise ArgumentError(
            "max_unpool", "indices", (indices.shape, str(indices.dtype)), f"are not integers of the shape {x.shape}",
            "pass what max_pool(..., return_indices=True) gave",
        )  # fmt: skip
    usual = tuple(
        (length - 1) * step - 2 * ends + size
        for length, size, step, ends in zip(x.shape[1:-1], sizes, steps, pads, strict=True)
    )
    size = usual
    if output_size is not None:
        size = per_axis("max_unpool", "output_size", output_size, axes=axes)
        if any(abs(asked - known) >= step for asked, known, step in zip(size, usual, steps, strict=True)):
            raise ArgumentError(
                "max_unpool", "output_size", output_size,
                f"is a stride of {steps} or more away from {usual}", "pass the size of what was pooled",
            )  # fmt: skip
    if min(size) < 1:
        raise ArgumentError(
            "max_unpool", "padding", padding, f"leaves nothing: the output would be {size}", "pass less"
        )
    flat = (x.shape[0], -1, x.shape[-1])
    y = _put(x.reshape(flat), indices.reshape(flat), int(np.prod(size)))
    return y.reshape(x.shape[0], *size, x.shape[-1])


def _put(x: jax.Array, indices: jax.Array, length: int) -> jax.Array:
    sample = jnp.arange(x.shape[0])[:, None, None]
    channel = jnp.arange(x.shape[-1])
    where = (sample, indices, channel)
    zeros = jnp.zeros((x.shape[0], length, x.shape[-1]), x.dtype)
    placed = zeros.at[where].set(jax.lax.stop_gradient(x), mode="drop")
    # The slope of a set at one place twice has no fixed meaning in JAX; in PyTorch each gets the place's gradient,
    # which is that of a sum.
    slope = zeros.at[where].add(x, mode="drop")
    return placed + (slope - jax.lax.stop_gradient(slope))
