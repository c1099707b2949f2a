"""MobileNetV3, large and small: images to scores of classes, or to feature maps of a chosen output stride."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
from flax import nnx

from ..mobilenets import V3_ARCHITECTURES, V3Architecture, V3Block, round_channels
from ..nn import AdaptiveAvgPool, Dropout, Hardsigmoid, Hardswish, Linear, ReLU, Sequential, SqueezeExcitation
from ..nn.initial import fan_out, gaussian
from ..ops.arguments import known
from .mobilenet import MobileNetConfig, MobileNetStages, MobileNetStagesConfig, block_geometry, conv_norm

# Batch statistics as in TensorFlow, where the first MobileNetV3 was trained.
_conv_norm = partial(conv_norm, eps=1e-3, momentum=0.01)


@dataclass(frozen=True)
class MobileNetV3Config(MobileNetConfig):
    """What a MobileNetV3 looks like; the fields are those of :class:`MobileNetConfig`."""


class InvertedResidual(nnx.Module):
    """A 1x1 convolution, a depthwise one, a squeeze-and-excitation, and a 1x1 convolution, perhaps beside the identity.

    Args:
        in_channels: Channels of the input.
        block: What it looks like; its channels are those after rounding, and where they are ``in_channels`` inside,
            there is no first convolution.
        stride: Of the depthwise convolution.
        dilation: Of the depthwise convolution.
        rngs: Where the initial values come from.

    Source: Howard et al., "Searching for MobileNetV3", 2019, section 5.
    """

    def __init__(self, in_channels: int, block: V3Block, *, stride: int, dilation: int, rngs: nnx.Rngs) -> None:
        # A stride that became a dilation counts.
        self.residual = block.stride == 1 and in_channels == block.channels
        activation = Hardswish if block.hard else ReLU
        width = block.width
        self.block = Sequential()
        if width != in_channels:
            self.block.append(_conv_norm(in_channels, width, activation=activation(), rngs=rngs))
        depthwise = _conv_norm(
            width, width, block.kernel_size, stride=stride, dilation=dilation, groups=width, activation=activation(),
            rngs=rngs,
        )  # fmt: skip
        self.block.append(depthwise)
        if block.squeeze:
            self.block.append(
                SqueezeExcitation(
                    width, round_channels(width // 4), scale_activation=Hardsigmoid(), kernel_init=fan_out,
                    bias_init=nnx.initializers.zeros, rngs=rngs,
                )
            )  # fmt: skip
        self.block.append(_conv_norm(width, block.channels, rngs=rngs))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H', W', block.channels)``, H' being H / stride, rounded up."""
        y = self.block(x)
        return x + y if self.residual else y


class MobileNetV3(MobileNetStages):
    """A MobileNetV3 that classifies images; the keys are torchvision's.

    Args:
        architecture: ``mobilenet_v3_large`` or ``mobilenet_v3_small``.
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Attributes:
        channels: Channels of the five feature maps.

    Raises:
        ArgumentError: There is no such architecture.

    Differs from PyTorch: channels are last; ``output_stride=16`` is torchvision's ``dilated=True``, which has no 8.

    Source: Howard et al., "Searching for MobileNetV3", 2019.
    """

    def __init__(self, architecture: str, config: MobileNetV3Config, *, rngs: nnx.Rngs) -> None:
        found = lookup(architecture)
        super().__init__(v3_layers(found, config, rngs=rngs), [block.stride for block in found.blocks])
        self.config = config
        widths = layer_channels(found, config.width_mult)
        self.channels = tuple(widths[number] for number in self.ends)
        self.avgpool = AdaptiveAvgPool((1, 1))
        hidden = round_channels(found.hidden_channels * config.width_mult)
        linear = partial(Linear, kernel_init=gaussian(0.01), bias_init=nnx.initializers.zeros, rngs=rngs)
        self.classifier = Sequential([
            linear(widths[-1], hidden),
            Hardswish(),
            Dropout(config.dropout, rngs=rngs),
            linear(hidden, config.num_classes),
        ])  # fmt: skip

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to logits ``(N, num_classes)``."""
        return self.classifier(self.avgpool(self.features(x)).reshape(x.shape[0], -1))


class MobileNetV3Backbone(nnx.List[Any]):
    """A MobileNetV3 without its classifier, as torchvision's models of segmentation hold it.

    Args:
        architecture: As for :class:`MobileNetV3`.
        config: What it looks like.
        names: Of the first output with an eighth of the input's resolution, and of the last one.
        rngs: Where the initial values come from.

    Attributes:
        channels: Channels of the two outputs.

    Raises:
        ArgumentError: There is no such architecture.
    """

    def __init__(
        self, architecture: str, config: MobileNetStagesConfig, *, names: tuple[str, str], rngs: nnx.Rngs
    ) -> None:
        found = lookup(architecture)
        super().__init__(v3_layers(found, config, rngs=rngs))
        strided = [number for number, block in enumerate(found.blocks, 1) if block.stride == 2]
        self.names = {strided[-3]: names[0], len(found.blocks) + 1: names[1]}
        widths = layer_channels(found, config.width_mult)
        self.channels = tuple(widths[number] for number in self.names)

    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        """Map ``(N, H, W, in_channels)`` to the two outputs by name."""
        maps = {}
        for number, layer in enumerate(self):
            x = layer(x)
            if number in self.names:
                maps[self.names[number]] = x
        return maps


def lookup(architecture: str) -> V3Architecture:
    """The MobileNetV3 of that name.

    Raises:
        ArgumentError: There is none.
    """
    known("MobileNetV3", "architecture", architecture, V3_ARCHITECTURES, "is no MobileNetV3")
    return V3_ARCHITECTURES[architecture]


def layer_channels(architecture: V3Architecture, width_mult: float) -> list[int]:
    """Channels of the outputs of the first convolution, of each block, and of the last convolution."""
    blocks = [round_channels(block.channels * width_mult) for block in architecture.blocks]
    return [round_channels(16 * width_mult), *blocks, 6 * blocks[-1]]


def v3_layers(architecture: V3Architecture, config: MobileNetStagesConfig, *, rngs: nnx.Rngs) -> Sequence[nnx.Module]:
    """A convolution, the blocks, and a convolution.

    Args:
        architecture: At full width.
        config: What they look like.
        rngs: Where the initial values come from.
    """
    widths = layer_channels(architecture, config.width_mult)
    layers: list[nnx.Module] = [
        _conv_norm(config.in_channels, widths[0], 3, stride=2, activation=Hardswish(), rngs=rngs)
    ]
    geometry = block_geometry([block.stride for block in architecture.blocks], config.output_stride)
    for block, (stride, dilation) in zip(architecture.blocks, geometry, strict=True):
        scaled = replace(block, width=round_channels(block.width * config.width_mult), channels=widths[len(layers)])
        layers.append(InvertedResidual(widths[len(layers) - 1], scaled, stride=stride, dilation=dilation, rngs=rngs))
    layers.append(_conv_norm(widths[-2], widths[-1], activation=Hardswish(), rngs=rngs))
    return layers
