"""Channels weighed by what they hold: squeeze-and-excitation, and its cheaper form."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .activation import ReLU, Sigmoid
from .checks import positive
from .convolution import Conv
from .pooling import AdaptiveAvgPool


class SqueezeExcitation(nnx.Module):
    """Multiplies each channel by a weight from 0 to 1 that a small network gives the means of all of them.

    The keys are those of ``torchvision.ops.SqueezeExcitation`` and of timm's ``SEModule``.

    Args:
        in_channels: Channels of the input and of the output.
        squeeze_channels: Channels between the two 1x1 convolutions.
        scale_activation: What turns numbers into weights; a sigmoid if None.
        kernel_init: What the kernels begin with, as for :class:`dilax.nn.Conv`.
        bias_init: What the biases begin with, as there.
        rngs: Where the initial values come from.

    Raises:
        ArgumentError: A number is below 1.

    Source: Hu et al., "Squeeze-and-Excitation Networks", 2017, section 3.
    """

    def __init__(
        self,
        in_channels: int,
        squeeze_channels: int,
        *,
        scale_activation: nnx.Module | None = None,
        kernel_init: nnx.Initializer | None = None,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        positive("SqueezeExcitation", in_channels=in_channels, squeeze_channels=squeeze_channels)
        self.avgpool = AdaptiveAvgPool((1, 1))
        conv = partial(Conv, kernel_size=(1, 1), kernel_init=kernel_init, bias_init=bias_init, rngs=rngs)
        self.fc1 = conv(in_channels, squeeze_channels)
        self.fc2 = conv(squeeze_channels, in_channels)
        self.activation = ReLU()
        self.scale_activation: Any = Sigmoid() if scale_activation is None else scale_activation

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to the same shape."""
        weights = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return x * self.scale_activation(weights)


class EfficientChannelAttention(nnx.Module):
    """Multiplies each channel by a weight from 0 to 1 that a convolution along the channels gives their means.

    The keys are those of timm's ``EcaModule``.

    Args:
        channels: Channels of the input and of the output; the more, the wider is the kernel.
        rngs: Where the initial values come from.

    Raises:
        ArgumentError: ``channels`` is below 1.

    Source: Wang et al., "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks", 2019,
    section 3.2.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        positive("EfficientChannelAttention", channels=channels)
        width = int((math.log2(channels) + 1) / 2)
        width = max(width + 1 - width % 2, 3)  # odd
        self.conv = Conv(1, 1, (width,), padding=width // 2, bias=False, rngs=rngs)
        self.gate = Sigmoid()

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, channels)`` to the same shape."""
        means = jnp.moveaxis(AdaptiveAvgPool((1, 1))(x)[:, 0], 1, 2)
        return x * jnp.moveaxis(self.gate(self.conv(means)), 2, 1)[:, None]
