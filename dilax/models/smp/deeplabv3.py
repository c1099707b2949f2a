"""DeepLabV3 and DeepLabV3+ under segmentation_models_pytorch's keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from ...errors import ArgumentError
from ...nn import Aspp, BatchNorm, Conv, ReLU, SeparableConv, Sequential, Upsample
from ...nn.aspp import check_dilations
from ...nn.checks import positive, share
from ...ops.arguments import flag
from .config import SmpConfig
from .encoders import make_encoder
from .model import SmpModel


@dataclass(frozen=True)
class SmpDeepLabV3Config(SmpConfig):
    """What a DeepLabV3 looks like, by segmentation_models_pytorch's names and with its defaults.

    Args:
        encoder_name: As for :class:`SmpConfig`, as all that are not below.
        encoder_depth: As there.
        encoder_output_stride: As there; 8 or 16.
        in_channels: As there.
        classes: As there.
        activation: As there.
        upsampling: As there; if None, the output is as large as the input.
        aux_classes: As there.
        aux_pooling: As there.
        aux_dropout: As there.
        decoder_channels: Channels of each branch of the :class:`dilax.nn.Aspp`, and of what follows.
        decoder_atrous_rates: Its three dilations.
        decoder_aspp_separable: Whether its 3x3 convolutions are separable.
        decoder_aspp_dropout: Its dropout.
    """

    encoder_output_stride: int = 8
    decoder_channels: int = 256
    decoder_atrous_rates: tuple[int, ...] = (12, 24, 36)
    decoder_aspp_separable: bool = False
    decoder_aspp_dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__.removesuffix("Config")
        positive(name, decoder_channels=self.decoder_channels)
        rates = check_dilations(name, self.decoder_atrous_rates, name="decoder_atrous_rates")
        if len(rates) != 3:
            raise ArgumentError(name, "decoder_atrous_rates", rates, "are not three", "pass e.g. (12, 24, 36)")
        flag(name, decoder_aspp_separable=self.decoder_aspp_separable)
        share(name, "decoder_aspp_dropout", self.decoder_aspp_dropout)
        object.__setattr__(self, "decoder_atrous_rates", rates)  # JSON has lists only


@dataclass(frozen=True)
class SmpDeepLabV3PlusConfig(SmpDeepLabV3Config):
    """What a DeepLabV3+ looks like; the fields are those of :class:`SmpDeepLabV3Config`, with other defaults.

    ``encoder_depth`` is 3 at least, and ``upsampling`` a number: 4 for an output as large as the input.
    """

    encoder_output_stride: int = 16
    decoder_aspp_separable: bool = True
    upsampling: int = 4

    least_depth: ClassVar[int] = 3


class DeepLabV3Decoder(nnx.Module):
    """An :class:`dilax.nn.Aspp` and a 3x3 convolution on the last feature map.

    Args:
        in_channels: Channels of that map.
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.
    """

    def __init__(self, in_channels: int, config: SmpDeepLabV3Config, *, rngs: nnx.Rngs) -> None:
        channels = config.decoder_channels
        self.aspp = _aspp(in_channels, config, rngs)
        self.conv = Conv(channels, channels, (3, 3), padding=1, bias=False, rngs=rngs)
        self.bn = BatchNorm(channels)
        self.relu = ReLU()

    def __call__(self, maps: Sequence[jax.Array]) -> jax.Array:
        """Map feature maps, the last one ``(N, h, w, in_channels)``, to ``(N, h, w, decoder_channels)``."""
        return self.relu(self.bn(self.conv(self.aspp(maps[-1]))))


class DeepLabV3PlusDecoder(nnx.Module):
    """An :class:`dilax.nn.Aspp` on the last feature map, made larger and joined with that of stride 4.

    Args:
        encoder_channels: Channels of the input and of the feature maps.
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.
    """

    def __init__(self, encoder_channels: Sequence[int], config: SmpDeepLabV3PlusConfig, *, rngs: nnx.Rngs) -> None:
        channels = config.decoder_channels
        self.aspp = Sequential([_aspp(encoder_channels[-1], config, rngs), *_separable(channels, channels, rngs)])
        # The last map is one of stride 16, unless the encoder has other strides or ends before it.
        scale_factor = 4 if config.encoder_output_stride == 16 and config.encoder_depth > 3 else 2
        self.up = Upsample(scale_factor=scale_factor, mode="bilinear", align_corners=True)
        fine = Conv(encoder_channels[2], 48, (1, 1), bias=False, rngs=rngs)  # 48: section 3.2 of the paper
        self.block1 = Sequential([fine, BatchNorm(48), ReLU()])
        self.block2 = Sequential(_separable(48 + channels, channels, rngs))

    def __call__(self, maps: Sequence[jax.Array]) -> jax.Array:
        """Map feature maps, the third one ``(N, h, w, …)``, to ``(N, h, w, decoder_channels)``."""
        coarse = self.up(self.aspp(maps[-1]))
        return self.block2(jnp.concatenate([coarse, self.block1(maps[2])], axis=-1))


class SmpDeepLabV3(SmpModel):
    """DeepLabV3 under segmentation_models_pytorch's keys.

    Args:
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017.
    """

    def __init__(self, config: SmpDeepLabV3Config, *, rngs: nnx.Rngs) -> None:
        encoder = make_encoder(config, rngs=rngs)
        super().__init__(
            config, encoder,
            decoder=DeepLabV3Decoder(encoder.out_channels[-1], config, rngs=rngs),
            decoder_channels=config.decoder_channels, kernel_size=1,
            upsampling=encoder.output_stride if config.upsampling is None else config.upsampling,
            xavier=False, rngs=rngs,
        )  # fmt: skip


class SmpDeepLabV3Plus(SmpModel):
    """DeepLabV3+ under segmentation_models_pytorch's keys.

    Args:
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Differs from the paper: maps are resized with their corner samples at the corners of the result
    (``align_corners=True``), as in the reference.

    Source: Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", 2018.
    """

    def __init__(self, config: SmpDeepLabV3PlusConfig, *, rngs: nnx.Rngs) -> None:
        encoder = make_encoder(config, rngs=rngs)
        super().__init__(
            config, encoder,
            decoder=DeepLabV3PlusDecoder(encoder.out_channels, config, rngs=rngs),
            decoder_channels=config.decoder_channels, kernel_size=1,
            upsampling=config.upsampling, xavier=False, rngs=rngs,
        )  # fmt: skip


def _aspp(in_channels: int, config: SmpDeepLabV3Config, rngs: nnx.Rngs) -> Aspp:
    return Aspp(
        in_channels, config.decoder_atrous_rates, out_channels=config.decoder_channels,
        dropout=config.decoder_aspp_dropout, separable=config.decoder_aspp_separable, rngs=rngs,
    )  # fmt: skip


def _separable(in_channels: int, out_channels: int, rngs: nnx.Rngs) -> list[nnx.Module]:
    conv = SeparableConv(in_channels, out_channels, (3, 3), padding=1, bias=False, rngs=rngs)
    return [conv, BatchNorm(out_channels), ReLU()]
