"""PSPNet under segmentation_models_pytorch's keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax
from flax import nnx

from ...nn import BatchNorm, Conv, FeatureDropout, Identity, PyramidPooling, ReLU, Sequential
from ...nn.checks import positive, share
from ...nn.initial import uniform_fan_in
from ...ops.arguments import one_of
from .config import SmpConfig
from .encoders import make_encoder
from .model import SmpModel


@dataclass(frozen=True)
class SmpPSPNetConfig(SmpConfig):
    """What a PSPNet looks like, by segmentation_models_pytorch's names and with its defaults.

    Args:
        encoder_name: As for :class:`SmpConfig`, as all that are not below.
        encoder_depth: As there.
        encoder_output_stride: As there; 8, 16 or 32. The reference takes it as ``output_stride``, for the encoder.
        in_channels: As there.
        classes: As there.
        activation: As there.
        upsampling: As there; the output is as large as the input if it is the encoder's output stride, which is
            ``2 ** encoder_depth`` at most.
        aux_classes: As there.
        aux_pooling: As there.
        aux_dropout: As there.
        psp_out_channels: Channels of the decoder's output.
        decoder_use_norm: Whether a convolution of the decoder has a batch normalisation (``"batchnorm"``) or a bias
            (``"identity"``).
        psp_dropout: Share of the decoder's channels that is dropped in training, from 0 to 1.
    """

    encoder_depth: int = 3
    encoder_output_stride: int = 32
    upsampling: int = 8
    psp_out_channels: int = 512
    decoder_use_norm: str = "batchnorm"
    psp_dropout: float = 0.2

    output_strides: ClassVar[tuple[int, ...]] = (8, 16, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("SmpPSPNet", psp_out_channels=self.psp_out_channels)
        one_of("SmpPSPNet", "decoder_use_norm", self.decoder_use_norm, ("batchnorm", "identity"))
        share("SmpPSPNet", "psp_dropout", self.psp_dropout)


class PSPDecoder(nnx.Module):
    """A :class:`dilax.nn.PyramidPooling` of the last feature map, and a 1x1 convolution.

    Args:
        in_channels: Channels of that map.
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.
    """

    def __init__(self, in_channels: int, config: SmpPSPNetConfig, *, rngs: nnx.Rngs) -> None:
        channels, batch_norm = config.psp_out_channels, config.decoder_use_norm == "batchnorm"
        zeros = nnx.initializers.zeros
        self.psp = PyramidPooling(
            in_channels, batch_norm=batch_norm, kernel_init=uniform_fan_in, bias_init=zeros, rngs=rngs
        )
        conv = Conv(
            self.psp.out_channels, channels, (1, 1), bias=not batch_norm,
            kernel_init=uniform_fan_in, bias_init=zeros, rngs=rngs,
        )  # fmt: skip
        self.conv = Sequential([conv, BatchNorm(channels) if batch_norm else Identity(), ReLU()])
        self.dropout = FeatureDropout(config.psp_dropout, rngs=rngs)

    def __call__(self, maps: Sequence[jax.Array]) -> jax.Array:
        """Map feature maps, the last one ``(N, h, w, in_channels)``, to ``(N, h, w, psp_out_channels)``."""
        return self.dropout(self.conv(self.psp(maps[-1])))


class SmpPSPNet(SmpModel):
    """PSPNet under segmentation_models_pytorch's keys.

    Args:
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Differs from the paper: the default encoder ends at the third feature map and is not dilated, as in the reference;
    ``encoder_depth=5, encoder_output_stride=8`` is the paper's.

    Source: Zhao et al., "Pyramid Scene Parsing Network", 2017.
    """

    def __init__(self, config: SmpPSPNetConfig, *, rngs: nnx.Rngs) -> None:
        encoder = make_encoder(config, rngs=rngs)
        super().__init__(
            config, encoder, decoder=PSPDecoder(encoder.out_channels[-1], config, rngs=rngs),
            decoder_channels=config.psp_out_channels, kernel_size=3,
            upsampling=config.upsampling, xavier=True, rngs=rngs,
        )  # fmt: skip
