"""Residual blocks of two and of three convolutions."""

from typing import Any, ClassVar

import jax
from flax import nnx

from .activation import ReLU
from .checks import positive
from .containers import Sequential
from .convolution import Conv
from .normalization import BatchNorm


class BasicBlock(nnx.Module):
    """Two (dilated) 3x3 convolutions beside the identity, as torchvision's and timm's ``BasicBlock``.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        stride: Of the first convolution.
        dilation: Of both convolutions; torchvision's block has none.
        first_dilation: Of the first convolution, if it is another.
        attention: What weighs the channels of the second convolution's result, such as a
            :class:`dilax.nn.SqueezeExcitation`; None for nothing.
        downsample: What stands in place of the identity where the output has another shape than the input; a 1x1
            convolution and a batch normalisation if None.
        kernel_init: What the kernels begin with, as for :class:`dilax.nn.Conv`.
        rngs: Where the initial values come from.

    Attributes:
        se: ``attention``.
        downsample: As above, or None for the identity.

    Raises:
        ArgumentError: A number is below 1.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.1.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        first_dilation: int | None = None,
        attention: nnx.Module | None = None,
        downsample: nnx.Module | None = None,
        kernel_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        first = dilation if first_dilation is None else first_dilation
        positive("BasicBlock", in_channels=in_channels, channels=channels, stride=stride, dilation=dilation)
        positive("BasicBlock", first_dilation=first)
        self.conv1 = Conv(
            in_channels, channels, (3, 3), stride=stride, padding=first, dilation=first,
            bias=False, kernel_init=kernel_init, rngs=rngs,
        )  # fmt: skip
        self.bn1 = BatchNorm(channels)
        self.relu = ReLU()
        self.conv2 = Conv(
            channels, channels, (3, 3), padding=dilation, dilation=dilation,
            bias=False, kernel_init=kernel_init, rngs=rngs,
        )  # fmt: skip
        self.bn2 = BatchNorm(channels)
        self.se: Any = attention
        self.downsample: Any = _downsample(in_channels, channels, stride, downsample, kernel_init, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H', W', channels)``, H' being H / stride, rounded up."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out = out if self.se is None else self.se(out)
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nnx.Module):
    """A 1x1, a (dilated) 3x3 and a 1x1 convolution beside the identity, as torchvision's and timm's ``Bottleneck``.

    Args:
        in_channels: Channels of the input.
        channels: A quarter of the channels of the output.
        stride: Of the 3x3 convolution.
        dilation: Of the 3x3 convolution.
        groups: Of the 3x3 convolution.
        width_per_group: Channels of each of its groups where ``channels`` is 64; they grow with it.
        attention: As for :class:`BasicBlock`, of the third convolution's result.
        downsample: As there.
        kernel_init: What the kernels begin with, as for :class:`dilax.nn.Conv`.
        rngs: Where the initial values come from.

    Attributes:
        se: As of :class:`BasicBlock`.
        downsample: As there.

    Raises:
        ArgumentError: A number is below 1.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.1, with the stride in the 3x3
    convolution; Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", 2016, for the groups.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        width_per_group: int = 64,
        attention: nnx.Module | None = None,
        downsample: nnx.Module | None = None,
        kernel_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        positive("Bottleneck", in_channels=in_channels, channels=channels, stride=stride, dilation=dilation)
        positive("Bottleneck", groups=groups, width_per_group=width_per_group)
        width = channels * width_per_group // 64 * groups
        out_channels = channels * self.expansion
        self.conv1 = Conv(in_channels, width, (1, 1), bias=False, kernel_init=kernel_init, rngs=rngs)
        self.bn1 = BatchNorm(width)
        self.conv2 = Conv(
            width, width, (3, 3), stride=stride, padding=dilation, dilation=dilation, groups=groups,
            bias=False, kernel_init=kernel_init, rngs=rngs,
        )  # fmt: skip
        self.bn2 = BatchNorm(width)
        self.conv3 = Conv(width, out_channels, (1, 1), bias=False, kernel_init=kernel_init, rngs=rngs)
        self.bn3 = BatchNorm(out_channels)
        self.relu = ReLU()
        self.se: Any = attention
        self.downsample: Any = _downsample(in_channels, out_channels, stride, downsample, kernel_init, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H', W', 4 * channels)``, H' being H / stride, rounded up."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out = out if self.se is None else self.se(out)
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


def _downsample(
    in_channels: int,
    out_channels: int,
    stride: int,
    given: nnx.Module | None,
    kernel_init: nnx.Initializer | None,
    rngs: nnx.Rngs,
) -> nnx.Module | None:
    if stride == 1 and in_channels == out_channels:
        return None
    if given is not None:
        return given
    conv = Conv(in_channels, out_channels, (1, 1), stride=stride, bias=False, kernel_init=kernel_init, rngs=rngs)
    return Sequential([conv, BatchNorm(out_channels)])
