"""The first fully convolutional networks: VGG-16 and transposed convolutions, joined at one to three resolutions."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
from flax import nnx

from ..nn import Conv, ConvTranspose, FeatureDropout, MaxPool, ReLU
from ..nn.chain import attach, run
from ..nn.checks import positive, share
from .upsampling import bilinear_kernel
from .vgg import vgg_channels, vgg_stage


@dataclass(frozen=True)
class FCNVGGConfig:
    """What an FCN on VGG-16 looks like.

    Args:
        in_channels: Channels of the input.
        num_classes: Channels of the output.
        channels: Channels of the first layer, which those of all convolutions of 3x3 are multiples of.
        hidden_channels: Channels of the layers ``fc6`` and ``fc7``.
        dropout: Share of their channels dropped in training.
    """

    in_channels: int = 3
    num_classes: int = 21
    channels: int = 64
    hidden_channels: int = 4096
    dropout: float = 0.5

    def __post_init__(self) -> None:
        positive(
            "FCNVGG", in_channels=self.in_channels, num_classes=self.num_classes, channels=self.channels,
            hidden_channels=self.hidden_channels,
        )  # fmt: skip
        share("FCNVGG", "dropout", self.dropout)


class FCNVGG(nnx.Module):
    """FCN-32s, FCN-16s or FCN-8s: scores of classes at 1/32, joined with those at 1/16 and 1/8, brought to full size.

    The keys are those of the popular PyTorch code: ``conv1_1`` to ``conv5_3``, ``fc6``, ``fc7``, ``score_fr``,
    ``score_pool4``, ``score_pool3``, and ``upscore``, ``upscore2``, ``upscore_pool4``, ``upscore16`` or ``upscore8``.

    Args:
        config: What it looks like.
        stride: At which fraction of the resolution the finest scores are: 32, 16 or 8.
        rngs: Where initial values and dropout masks come from. Transposed convolutions begin as bilinear interpolation;
            the published training begins with the convolutions of a VGG trained on ImageNet.

    Attributes:
        example_size: Height and width of a small input.

    Source: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015.
    """

    example_size = (33, 43)

    def __init__(self, config: FCNVGGConfig, *, stride: Literal[32, 16, 8], rngs: nnx.Rngs) -> None:
        self.config, self.stride = config, stride
        self.to_pool3 = attach(self, self._vgg(range(1, 4), rngs))
        self.to_pool4 = attach(self, self._vgg(range(4, 5), rngs))
        self.to_fc7 = attach(self, self._vgg(range(5, 6), rngs) | self._classifier(rngs))
        self.score_fr = Conv(config.hidden_channels, config.num_classes, (1, 1), rngs=rngs)
        if stride == 8:
            self.score_pool3 = Conv(vgg_channels(3, config.channels), config.num_classes, (1, 1), rngs=rngs)
        if stride < 32:
            self.score_pool4 = Conv(vgg_channels(4, config.channels), config.num_classes, (1, 1), rngs=rngs)
            self.upscore2 = self._upscore(2, rngs)
        match stride:
            case 32:
                self.upscore = self._upscore(32, rngs)
            case 16:
                self.upscore16 = self._upscore(16, rngs)
            case 8:
                self.upscore8 = self._upscore(8, rngs)
                self.upscore_pool4 = self._upscore(2, rngs)

    def _vgg(self, numbers: range, rngs: nnx.Rngs) -> dict[str, nnx.Module]:
        layers: dict[str, nnx.Module] = {}
        for number in numbers:
            before = self.config.in_channels if number == 1 else vgg_channels(number - 1, self.config.channels)
            # The wide border lets an image of any size reach 7x7 at 1/32; the crops take it off again.
            first_padding = 100 if number == 1 else None
            width = vgg_channels(number, self.config.channels)
            layers |= vgg_stage(number, before, width, first_padding=first_padding, rngs=rngs)
            layers[f"pool{number}"] = MaxPool((2, 2), ceil_mode=True)
        return layers

    def _classifier(self, rngs: nnx.Rngs) -> dict[str, nnx.Module]:
        hidden, dropout = self.config.hidden_channels, self.config.dropout
        return {
            "fc6": Conv(vgg_channels(5, self.config.channels), hidden, (7, 7), rngs=rngs),
            "relu6": ReLU(),
            "drop6": FeatureDropout(dropout, rngs=rngs),
            "fc7": Conv(hidden, hidden, (1, 1), rngs=rngs),
            "relu7": ReLU(),
            "drop7": FeatureDropout(dropout, rngs=rngs),
        }

    def _upscore(self, factor: int, rngs: nnx.Rngs) -> ConvTranspose:
        classes = self.config.num_classes
        return ConvTranspose(
            classes, classes, (2 * factor, 2 * factor), stride=factor, bias=False,
            kernel_init=bilinear_kernel, rngs=rngs,
        )  # fmt: skip

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to logits ``(N, H, W, num_classes)``."""
        pool3 = run(self, self.to_pool3, x)
        pool4 = run(self, self.to_pool4, pool3)
        scores = self.score_fr(run(self, self.to_fc7, pool4))
        # Each crop begins where the border of 100 pixels ends in what was upsampled.
        if self.stride == 32:
            return _crop(self.upscore(scores), 19, x)
        scores = self.upscore2(scores)
        scores = scores + _crop(self.score_pool4(pool4), 5, scores)
        if self.stride == 16:
            return _crop(self.upscore16(scores), 27, x)
        scores = self.upscore_pool4(scores)
        scores = scores + _crop(self.score_pool3(pool3), 9, scores)
        return _crop(self.upscore8(scores), 31, x)


def _crop(x: jax.Array, offset: int, like: jax.Array) -> jax.Array:
    """The part of ``x`` from ``offset`` on along both axes of space, as large as ``like``."""
    height, width = like.shape[1:3]
    return x[:, offset : offset + height, offset : offset + width]


#: Configuration and builder of each name.
MODELS: dict[str, tuple[type[Any], Any]] = {
    "fcn32s": (FCNVGGConfig, partial(FCNVGG, stride=32)),
    "fcn16s": (FCNVGGConfig, partial(FCNVGG, stride=16)),
    "fcn8s": (FCNVGGConfig, partial(FCNVGG, stride=8)),
}
