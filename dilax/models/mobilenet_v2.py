"""MobileNetV2: images to scores of classes, or to feature maps of a chosen output stride."""

from dataclasses import dataclass

import jax
from flax import nnx

from .. import ops
from ..mobilenets import V2_STAGES, round_channels
from ..nn import BatchNorm, Conv, Dropout, Linear, ReLU6, Sequential
from ..nn.initial import fan_out, gaussian
from .mobilenet import MobileNetConfig, MobileNetStages, MobileNetStagesConfig, block_geometry, conv_norm


@dataclass(frozen=True)
class MobileNetV2Config(MobileNetConfig):
    """What a MobileNetV2 looks like; the fields are those of :class:`MobileNetConfig`."""


class InvertedResidual(nnx.Module):
    """A 1x1 convolution to more channels, a depthwise 3x3 one, and one of 1x1 to fewer, perhaps beside the identity.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        expansion: What ``in_channels`` are multiplied by inside; with 1 there is no first convolution.
        stride: Of the depthwise convolution.
        dilation: Of the depthwise convolution.
        residual: Whether the input is added to the output.
        rngs: Where the initial values come from.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, section 3.3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int,
        stride: int,
        dilation: int,
        residual: bool,
        rngs: nnx.Rngs,
    ) -> None:
        self.residual = residual
        width = in_channels * expansion
        self.conv = Sequential()
        if expansion != 1:
            self.conv.append(conv_norm(in_channels, width, activation=ReLU6(), rngs=rngs))
        depthwise = conv_norm(
            width, width, 3, stride=stride, dilation=dilation, groups=width, activation=ReLU6(), rngs=rngs
        )
        self.conv.append(depthwise)
        self.conv.append(Conv(width, out_channels, (1, 1), bias=False, kernel_init=fan_out, rngs=rngs))
        self.conv.append(BatchNorm(out_channels))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H', W', out_channels)``, H' being H / stride, rounded up."""
        y = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2Stages(MobileNetStages):
    """The convolutions of a MobileNetV2: one, inverted residuals, and one; the keys are torchvision's.

    Args:
        config: What they look like.
        rngs: Where the initial values come from.

    Attributes:
        channels: Channels of the five feature maps.
    """

    def __init__(self, config: MobileNetStagesConfig, *, rngs: nnx.Rngs) -> None:
        strides = [stage.stride if place == 0 else 1 for stage in V2_STAGES for place in range(stage.blocks)]
        stages = [stage for stage in V2_STAGES for _ in range(stage.blocks)]
        widths = [round_channels(channels * config.width_mult) for channels in (32, *(s.channels for s in stages))]
        widths.append(round_channels(1280 * max(1.0, config.width_mult)))
        layers: list[nnx.Module] = [
            conv_norm(config.in_channels, widths[0], 3, stride=2, activation=ReLU6(), rngs=rngs)
        ]
        geometry = block_geometry(strides, config.output_stride)
        for number, (stage, (stride, dilation)) in enumerate(zip(stages, geometry, strict=True)):
            layers.append(
                InvertedResidual(
                    *widths[number : number + 2], expansion=stage.expansion, stride=stride, dilation=dilation,
                    residual=strides[number] == 1 and widths[number] == widths[number + 1], rngs=rngs,
                )
            )  # fmt: skip
        layers.append(conv_norm(widths[-2], widths[-1], activation=ReLU6(), rngs=rngs))
        super().__init__(layers, strides)
        self.channels = tuple(widths[number] for number in self.ends)


class MobileNetV2(MobileNetV2Stages):
    """A MobileNetV2 that classifies images; the keys are torchvision's.

    Args:
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Differs from PyTorch: channels are last; ``output_stride``, which torchvision does not have here, makes the
    dilations that segmentation_models_pytorch makes.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018.
    """

    def __init__(self, config: MobileNetV2Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        self.config = config
        scores = Linear(
            self.channels[-1], config.num_classes, kernel_init=gaussian(0.01), bias_init=nnx.initializers.zeros,
            rngs=rngs,
        )  # fmt: skip
        self.classifier = Sequential([Dropout(config.dropout, rngs=rngs), scores])

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to logits ``(N, num_classes)``."""
        return self.classifier(ops.adaptive_avg_pool(self.features(x), (1, 1)).reshape(x.shape[0], -1))
