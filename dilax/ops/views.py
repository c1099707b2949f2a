"""Two other ways to see a dilated convolution, which explain it; neither is fast."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ..errors import ArgumentError
from .arguments import per_axis


def dilate_kernel(kernel: jax.Array, dilation: int | Sequence[int]) -> jax.Array:
    """Put ``dilation - 1`` zeros between the taps: an ordinary convolution with the result is the dilated one.

    Args:
        kernel: ``(*kernel_size, C_in / groups, C_out)`` with 1 to 3 spatial axes.
        dilation: Distance between taps, in samples; an integer or one for each axis.

    Returns:
        ``(*effective_kernel_size, C_in / groups, C_out)``.

    Raises:
        ArgumentError: The kernel has no spatial axis, or the dilation is below 1.

    >>> dilate_kernel(jnp.ones((3, 1, 1)), 2)[:, 0, 0].tolist()
    [1.0, 0.0, 1.0, 0.0, 1.0]
    """
    axes = _axes("dilate_kernel", "kernel", kernel)
    rates = per_axis("dilate_kernel", "dilation", dilation, axes=axes)
    between = [(0, 0, rate - 1) for rate in rates]
    return lax.pad(kernel, jnp.zeros((), kernel.dtype), [*between, (0, 0, 0), (0, 0, 0)])


def sample_phases(x: jax.Array, dilation: int | Sequence[int]) -> jax.Array:
    """The image sampled at steps of the dilation, once from each of its first samples on.

    An ordinary convolution of each of these small images, without padding, gives the samples of the dilated one.

    Args:
        x: ``(N, *spatial, C)`` with 1 to 3 spatial axes.
        dilation: Distance between samples; an integer or one for each axis.

    Returns:
        ``(*dilation, N, *ceil(spatial / dilation), C)``; where the spatial size is no multiple of the dilation, zeros
        fill what is missing at the end.

    Raises:
        ArgumentError: The image has no spatial axis, or the dilation is below 1.

    >>> sample_phases(jnp.arange(6.0).reshape(1, 6, 1), 2)[:, 0, :, 0].tolist()
    [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]
    """
    axes = _axes("sample_phases", "x", x)
    rates = per_axis("sample_phases", "dilation", dilation, axes=axes)
    sizes = [-(-length // rate) for length, rate in zip(x.shape[1:-1], rates, strict=True)]
    ends = [(0, size * rate - length) for size, rate, length in zip(sizes, rates, x.shape[1:-1], strict=True)]
    x = jnp.pad(x, [(0, 0), *ends, (0, 0)])
    split = [n for pair in zip(sizes, rates, strict=True) for n in pair]
    x = x.reshape(x.shape[0], *split, x.shape[-1])
    return jnp.moveaxis(x, range(2, 2 * axes + 1, 2), range(axes))


def _axes(function: str, argument: str, array: jax.Array) -> int:
    axes = array.ndim - 2
    if axes not in (1, 2, 3):
        raise ArgumentError(
            function, argument, array.shape, "does not have 1, 2 or 3 spatial axes", "pass an array of 3 to 5 axes"
        )
    return axes
