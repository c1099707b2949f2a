"""Transposed convolutions that begin, or stay, as bilinear interpolation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..nn import ConvTranspose


def bilinear_kernel(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Initial kernel of a transposed convolution: each channel is interpolated by itself; ``key`` is not used."""
    *kernel_size, c_in, c_out = shape
    # NumPy, because each operation of JAX outside jit is compiled by itself.
    kernel = np.ones(())
    for taps in kernel_size:
        reach = (taps + 1) // 2
        kernel = kernel[..., None] * (1 - abs(np.arange(taps) - (2 * reach - 1 - taps % 2) / 2) / reach)
    # Of one group the channels meet themselves; with a group for each channel there is one input only.
    same = np.arange(c_in)[:, None] == np.arange(c_out) % c_in
    return jnp.asarray(kernel[..., None, None] * same, dtype)


def fixed_upsampling(channels: int, *, rngs: nnx.Rngs) -> ConvTranspose:
    """Bilinear interpolation to eight times the size by a grouped transposed convolution that is not trained.

    Its kernel is no parameter, so that no optimizer moves it; the published codes keep it out of training too.
    """
    layer = ConvTranspose(
        channels, channels, (16, 16), stride=8, padding=4, groups=channels, bias=False,
        kernel_init=bilinear_kernel, rngs=rngs,
    )  # fmt: skip
    layer.kernel = nnx.BatchStat(layer.kernel[...])  # type: ignore[assignment]
    return layer
