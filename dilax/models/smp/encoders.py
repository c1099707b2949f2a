"""What the models of segmentation_models_pytorch begin with: networks that give a feature map of each size."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
from flax import nnx

from ..mobilenet import MobileNetStagesConfig
from ..mobilenet_v2 import MobileNetV2Stages
from ..resnet import BackboneConfig, ResNetStages


@dataclass(frozen=True)
class ResNetEncoderConfig(BackboneConfig):
    """What the stages of a :class:`ResNetEncoder` look like; the fields are those of :class:`BackboneConfig`."""

    uniform_dilation: ClassVar[bool] = True


class ResNetEncoder(ResNetStages):
    """A ResNet that gives its feature maps, dilated by segmentation_models_pytorch's rule.

    Args:
        architecture: As for :class:`dilax.models.ResNet`.
        depth: How many feature maps it gives beside the input.
        in_channels: Channels of the input.
        output_stride: 8, 16 or 32. Where it is below 32, all convolutions of the last stages have the dilation that
            makes up for the strides; torchvision's first block of a stage has that of the stage before.
        rngs: Where the initial values come from.

    Attributes:
        out_channels: Channels of the input and of the feature maps.
        output_stride: Pixels of the input to one of the last feature map that is given.
    """

    def __init__(self, architecture: str, depth: int, *, in_channels: int, output_stride: int, rngs: nnx.Rngs) -> None:
        config = ResNetEncoderConfig(in_channels=in_channels, output_stride=output_stride)
        super().__init__(architecture, config, rngs=rngs)
        self.out_channels = (in_channels, 64, *self.channels)[: depth + 1]
        self.output_stride = min(output_stride, 2**depth)

    def __call__(self, x: jax.Array) -> list[jax.Array]:
        """Map ``(N, H, W, in_channels)`` to itself and the feature maps, ``(N, H / 2, W / 2, 64)`` the first."""
        maps = [x, self.relu(self.bn1(self.conv1(x)))]
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4)[: len(self.out_channels) - 2]:
            maps.append(stage(self.maxpool(maps[-1]) if len(maps) == 2 else maps[-1]))
        return maps


class MobileNetV2Encoder(MobileNetV2Stages):
    """A MobileNetV2 that gives its feature maps.

    Args:
        depth: As for :class:`ResNetEncoder`, as all that follow.
        in_channels: As there.
        output_stride: As there; of the depthwise convolutions.
        rngs: As there.

    Attributes:
        out_channels: As there, as the next one.
        output_stride: As there.
    """

    def __init__(self, depth: int, *, in_channels: int, output_stride: int, rngs: nnx.Rngs) -> None:
        super().__init__(MobileNetStagesConfig(in_channels=in_channels, output_stride=output_stride), rngs=rngs)
        self.out_channels = (in_channels, *self.channels)[: depth + 1]
        self.output_stride = min(output_stride, 2**depth)

    def __call__(self, x: jax.Array) -> list[jax.Array]:
        """Map ``(N, H, W, in_channels)`` to itself and the feature maps, ``(N, H / 2, W / 2, 16)`` the first."""
        maps = [x]
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.ends:
                maps.append(x)
            if len(maps) > len(self.out_channels):
                break  # One more than is given: the reference runs so far, which moves statistics in training.
        return maps[: len(self.out_channels)]


Encoder = ResNetEncoder | MobileNetV2Encoder

_RESNETS = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d"),
    *("resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d", "resnext101_32x32d"),
)

#: What makes an encoder, by segmentation_models_pytorch's name.
ENCODERS: dict[str, Callable[..., Encoder]] = {
    **{name: partial(ResNetEncoder, name) for name in _RESNETS},
    "mobilenet_v2": MobileNetV2Encoder,
}


def make_encoder(config: Any, *, rngs: nnx.Rngs) -> Encoder:
    """The encoder that a model's configuration asks for.

    Args:
        config: As for :class:`dilax.models.smp.config.SmpConfig`.
        rngs: Where the initial values come from.
    """
    make = ENCODERS[config.encoder_name]
    return make(
        config.encoder_depth, in_channels=config.in_channels, output_stride=config.encoder_output_stride, rngs=rngs
    )
