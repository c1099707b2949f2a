"""The context module: dilated convolutions that see further and further, and begin as the identity."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import flag
from .activation import ReLU
from .chain import attach, run
from .checks import channels_last, positive, stream
from .convolution import Conv

#: Deviation of the noise that breaks ties where a layer has more channels than maps, over the size of a weight.
_NOISE = 0.01


class ContextModule(nnx.Module):
    """Gathers context at full resolution from maps of classes, and gives maps of the same shape.

    3x3 convolutions of dilation 1, 1, 2, 4, 8, … and 1, each with a rectifier, then a 1x1 convolution. The attributes
    have the names of the published networks: ``ctx_conv1_1``, ``ctx_conv1_2``, ``ctx_conv2_1``, …, ``ctx_fc1`` and
    ``ctx_final``; the rectifiers are ``ctx_relu1_1`` and so on.

    Args:
        channels: Channels C of the input and the output, one for each class.
        levels: Convolutions, at least 4. The paper has 8, with dilations up to 16; the published networks 7 to 10.
        large: Whether the convolutions have 2C, 2C, 4C, 8C, 16C, … channels and not C.
        dtype: Dtype of the parameters.
        rngs: Where the initial values of the large form come from.

    Raises:
        ArgumentError: ``channels`` is below 1, or ``levels`` below 4.

    Differs from PyTorch's convolutions: it begins as the identity on maps that are not negative, in the basic form
    exactly, in the large one but for noise, because with random values it learns worse than no module at all.

    Source: Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016, section 3.
    """

    def __init__(
        self, channels: int, *, levels: int = 8, large: bool = False, dtype: Any = jnp.float32, rngs: nnx.Rngs
    ) -> None:
        stream("ContextModule", rngs, "params")
        self.channels = channels
        self.order = attach(self, context_layers(channels, levels=levels, large=large, dtype=dtype, rngs=rngs))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, channels)`` to the same shape."""
        channels_last("ContextModule", x, self.channels, "channels")
        return run(self, self.order, x)


def context_layers(
    channels: int, *, levels: int, large: bool, rngs: nnx.Rngs, dtype: Any = jnp.float32
) -> dict[str, nnx.Module]:
    """The layers of a :class:`ContextModule` by their names, in the order in which they run."""
    positive("ContextModule", channels=channels)
    check_levels("ContextModule", levels)
    flag("ContextModule", large=large)

    def conv(c_in: int, c_out: int, taps: int, rate: int = 1) -> Conv:
        init = identity_kernel(channels)
        return Conv(
            c_in, c_out, (taps, taps), padding=rate * (taps // 2), dilation=rate, dtype=dtype,
            kernel_init=init, bias_init=nnx.initializers.zeros, rngs=rngs,
        )  # fmt: skip

    layers: dict[str, nnx.Module] = {}
    width = channels
    places = ((1, 1), (1, 2), *((stage, 1) for stage in range(2, levels - 2)))
    for stage, number in places:
        before, width = width, channels * (2**stage if large else 1)
        layers[f"ctx_conv{stage}_{number}"] = conv(before, width, 3, 2 ** (stage - 1))
        layers[f"ctx_relu{stage}_{number}"] = ReLU()
    layers |= {"ctx_fc1": conv(width, width, 3), "ctx_fc1_relu": ReLU(), "ctx_final": conv(width, channels, 1)}
    return layers


def check_levels(layer: str, levels: int) -> None:
    """Raise an ArgumentError for ``levels`` that a :class:`ContextModule` cannot have."""
    positive(layer, levels=levels)
    if levels < 4:
        raise ArgumentError(
            layer, "levels", levels, "leaves out a layer that every context module has", "pass at least 4"
        )


def identity_kernel(maps: int) -> nnx.Initializer:
    """Initial kernels with which a convolution hands on ``maps`` maps, each spread evenly over its share of channels.

    Where inputs and outputs are exactly the maps, it is the identity; elsewhere small noise breaks the tie between
    channels that would stay equal.
    """

    def init(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        *kernel_size, c_in, c_out = shape
        # NumPy, because each operation of JAX outside jit is compiled by itself.
        share = np.zeros(shape, bool)
        share[tuple(taps // 2 for taps in kernel_size)] = (
            np.arange(c_in)[:, None] * maps // c_in == np.arange(c_out) * maps // c_out
        )
        if c_in == c_out == maps:
            return jnp.asarray(share, dtype)
        # The c_out / maps channels of a map hold equal shares of it, and those of the next layer sum them up.
        weight = maps / c_out
        return jnp.where(share, weight, _NOISE * weight * jax.random.normal(key, shape, dtype))

    return init
