"""What all models of segmentation_models_pytorch are: an encoder, a decoder and heads."""

from typing import Any

import jax
from flax import nnx

from ...errors import ArgumentError
from .config import SmpConfig
from .encoders import Encoder
from .heads import ClassificationHead, SegmentationHead


class SmpModel(nnx.Module):
    """An encoder, a decoder, a head for each pixel, and perhaps one for the whole image.

    Args:
        config: What it looks like.
        encoder: Gives a list of feature maps.
        decoder: Makes one map of them.
        decoder_channels: Channels of that map.
        kernel_size: Taps of the head's convolution along each axis.
        upsampling: How many times larger the output is than that map.
        xavier: As for :class:`dilax.models.smp.heads.SegmentationHead`.
        rngs: Where initial values and dropout masks come from.

    Attributes:
        example_size: Height and width of a small input.
    """

    def __init__(
        self,
        config: SmpConfig,
        encoder: Encoder,
        *,
        decoder: Any,
        decoder_channels: int,
        kernel_size: int,
        upsampling: int,
        xavier: bool,
        rngs: nnx.Rngs,
    ) -> None:
        self.config = config
        self.encoder = encoder
        self.decoder = decoder
        self.segmentation_head = SegmentationHead(
            decoder_channels, config.classes, kernel_size=kernel_size, upsampling=upsampling,
            activation=config.activation, xavier=xavier, rngs=rngs,
        )  # fmt: skip
        scores = None
        if config.aux_classes is not None:
            scores = ClassificationHead(
                encoder.out_channels[-1], config.aux_classes, pooling=config.aux_pooling,
                dropout=config.aux_dropout, xavier=xavier, rngs=rngs,
            )  # fmt: skip
        self.classification_head = scores
        # At least six cells, so that the largest grid of a pyramid has no cell twice and three poolings leave one.
        self.example_size = (8 * encoder.output_stride, 10 * encoder.output_stride)

    def __call__(self, x: jax.Array) -> jax.Array | tuple[jax.Array, jax.Array]:
        """Map ``(N, H, W, in_channels)`` to ``(N, H, W, classes)``, with ``aux_classes`` to that and scores.

        H and W stay so with the usual ``upsampling``; another one gives another size. Scores are ``(N, aux_classes)``.

        Raises:
            ArgumentError: The encoder's output stride does not divide the height or the width, or the model is a
                :class:`SmpPAN` and one of them is less than eight times as large.
        """
        self._check_size(x)
        maps = self.encoder(x)
        masks = self.segmentation_head(self.decoder(maps))
        return masks if self.classification_head is None else (masks, self.classification_head(maps[-1]))

    def _check_size(self, x: jax.Array) -> None:
        stride = self.encoder.output_stride
        if x.ndim == 4 and any(size % stride for size in x.shape[1:3]):
            fitting = tuple(-(-size // stride) * stride for size in x.shape[1:3])
            raise ArgumentError(
                type(self).__name__, "x", x.shape, f"has a height or a width that {stride} does not divide",
                f"pad it to {fitting}",
            )  # fmt: skip
