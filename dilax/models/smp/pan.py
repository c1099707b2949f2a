"""PAN, the pyramid attention network, under segmentation_models_pytorch's keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
from flax import nnx

from ... import ops
from ...errors import ArgumentError
from ...nn import AdaptiveAvgPool, BatchNorm, Conv, MaxPool, ReLU, Sequential, Sigmoid
from ...nn.checks import positive
from ...nn.initial import uniform_fan_in
from ...ops.arguments import one_of
from .config import SmpConfig
from .encoders import make_encoder
from .model import SmpModel

Interpolation = Literal["nearest", "nearest-exact", "bilinear", "bicubic", "area"]


@dataclass(frozen=True)
class SmpPANConfig(SmpConfig):
    """What a PAN looks like, by segmentation_models_pytorch's names and with its defaults.

    Args:
        encoder_name: As for :class:`SmpConfig`, as all that are not below.
        encoder_depth: As there; 3 at least.
        encoder_output_stride: As there; 16 or 32.
        in_channels: As there.
        classes: As there.
        activation: As there.
        upsampling: As there; 4 for an output as large as the input.
        aux_classes: As there.
        aux_pooling: As there.
        aux_dropout: As there.
        decoder_channels: Channels of the decoder.
        decoder_interpolation: How the coarser of two maps is resized to the size of the finer: ``"nearest"``,
            ``"nearest-exact"``, ``"bilinear"``, ``"bicubic"`` or ``"area"``, as for :func:`dilax.ops.interpolate`.
    """

    upsampling: int = 4
    decoder_channels: int = 32
    decoder_interpolation: Interpolation = "bilinear"

    output_strides: ClassVar[tuple[int, ...]] = (16, 32)
    least_depth: ClassVar[int] = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("SmpPAN", decoder_channels=self.decoder_channels)
        known = ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
        one_of("SmpPAN", "decoder_interpolation", self.decoder_interpolation, known)


class ConvBnRelu(nnx.Module):
    """A convolution, a batch normalisation, and perhaps a ReLU; as large as the input.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps along each axis, an odd number.
        add_relu: Whether there is a ReLU.
        rngs: Where the initial values come from.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int, add_relu: bool = True, rngs: nnx.Rngs
    ) -> None:
        self.conv = Conv(
            in_channels, out_channels, (kernel_size, kernel_size), padding=kernel_size // 2,
            kernel_init=uniform_fan_in, bias_init=nnx.initializers.zeros, rngs=rngs,
        )  # fmt: skip
        self.activation = ReLU() if add_relu else None
        self.bn = BatchNorm(out_channels)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H, W, out_channels)``."""
        x = self.bn(self.conv(x))
        return x if self.activation is None else self.activation(x)


class FPABlock(nnx.Module):
    """Feature pyramid attention: a map times weights from three coarser maps of one channel, plus its mean.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        rngs: Where the initial values come from.
    """

    def __init__(self, in_channels: int, out_channels: int, *, rngs: nnx.Rngs) -> None:
        def coarser(channels: int, *kernel_sizes: int) -> Sequential:
            inputs = (channels, *(1 for _ in kernel_sizes))
            convs = [ConvBnRelu(c, 1, kernel_size=k, rngs=rngs) for c, k in zip(inputs, kernel_sizes, strict=False)]
            return Sequential([MaxPool((2, 2), stride=2), *convs])

        mean = ConvBnRelu(in_channels, out_channels, kernel_size=1, rngs=rngs)
        self.branch1 = Sequential([AdaptiveAvgPool((1, 1)), mean])
        self.mid = Sequential([ConvBnRelu(in_channels, out_channels, kernel_size=1, rngs=rngs)])
        self.down1 = coarser(in_channels, 7)
        self.down2 = coarser(1, 5)
        self.down3 = coarser(1, 3, 3)
        self.conv2 = ConvBnRelu(1, 1, kernel_size=5, rngs=rngs)
        self.conv1 = ConvBnRelu(1, 1, kernel_size=7, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, h, w, in_channels)``, h and w being 8 at least, to ``(N, h, w, out_channels)``."""
        height, width = x.shape[1:3]
        mean = _resize(self.branch1(x), (height, width))
        half = self.down1(x)
        quarter = self.down2(half)
        weights = self.conv2(quarter) + _resize(self.down3(quarter), (height // 4, width // 4))
        weights = self.conv1(half) + _resize(weights, (height // 2, width // 2))
        return _resize(weights, (height, width)) * self.mid(x) + mean


class GAUBlock(nnx.Module):
    """Global attention upsampling: a finer map, weighted by the mean of a coarser one, plus that one resized.

    Args:
        in_channels: Channels of the finer map.
        out_channels: Channels of the coarser map and of the output.
        interpolation: How the coarser one is resized.
        rngs: Where the initial values come from.
    """

    def __init__(self, in_channels: int, out_channels: int, *, interpolation: Interpolation, rngs: nnx.Rngs) -> None:
        self.interpolation = interpolation
        mean = ConvBnRelu(out_channels, out_channels, kernel_size=1, add_relu=False, rngs=rngs)
        self.conv1 = Sequential([AdaptiveAvgPool((1, 1)), mean, Sigmoid()])
        self.conv2 = ConvBnRelu(in_channels, out_channels, kernel_size=3, rngs=rngs)

    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Map a finer ``(N, h, w, in_channels)`` and a coarser map ``y`` to ``(N, h, w, out_channels)``."""
        weighted = self.conv2(x) * self.conv1(y)
        return _resize(y, x.shape[1:3], self.interpolation) + weighted


class PANDecoder(nnx.Module):
    """An :class:`FPABlock` on the last feature map, and a :class:`GAUBlock` for each from stride 4 on.

    Args:
        encoder_channels: Channels of the input and of the feature maps.
        config: What it looks like.
        rngs: Where the initial values come from.
    """

    def __init__(self, encoder_channels: Sequence[int], config: SmpPANConfig, *, rngs: nnx.Rngs) -> None:
        self.fpa = FPABlock(encoder_channels[-1], config.decoder_channels, rngs=rngs)
        self.depth = config.encoder_depth
        for number in range(self.depth - 2, 0, -1):
            block = GAUBlock(
                encoder_channels[number + 1], config.decoder_channels,
                interpolation=config.decoder_interpolation, rngs=rngs,
            )  # fmt: skip
            setattr(self, f"gau{number}", block)

    def __call__(self, maps: Sequence[jax.Array]) -> jax.Array:
        """Map feature maps, the third one ``(N, h, w, …)``, to ``(N, h, w, decoder_channels)``."""
        out = self.fpa(maps[-1])
        for number in range(self.depth - 2, 0, -1):
            out = getattr(self, f"gau{number}")(maps[number + 1], out)
        return out


class SmpPAN(SmpModel):
    """PAN under segmentation_models_pytorch's keys.

    Args:
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    The last feature map has to be 8 samples high and wide at least, for three times it is halved.

    Source: Li et al., "Pyramid Attention Network for Semantic Segmentation", 2018.
    """

    def __init__(self, config: SmpPANConfig, *, rngs: nnx.Rngs) -> None:
        encoder = make_encoder(config, rngs=rngs)
        super().__init__(
            config, encoder, decoder=PANDecoder(encoder.out_channels, config, rngs=rngs),
            decoder_channels=config.decoder_channels, kernel_size=3,
            upsampling=config.upsampling, xavier=True, rngs=rngs,
        )  # fmt: skip

    def _check_size(self, x: jax.Array) -> None:
        super()._check_size(x)
        least = 8 * self.encoder.output_stride
        if x.ndim == 4 and min(x.shape[1:3]) < least:
            raise ArgumentError(
                "SmpPAN", "x", x.shape, f"has a height or a width below {least}", "pass a larger image, or pad it"
            )


def _resize(x: jax.Array, size: tuple[int, ...], mode: Interpolation = "bilinear") -> jax.Array:
    return ops.interpolate(x, size, mode=mode, align_corners=True if mode == "bilinear" else None)
