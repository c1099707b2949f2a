"""Segmentation on a dilated MobileNetV3: DeepLabV3 and Lite R-ASPP."""

from dataclasses import dataclass

import jax
from flax import nnx

from .. import ops
from ..nn import AdaptiveAvgPool, BatchNorm, Conv, ReLU, Sequential, Sigmoid
from ..nn.aspp import check_dilations
from ..nn.checks import positive
from ..ops.arguments import flag
from .deeplabv3 import DeepLabHead
from .fcn import FCNHead
from .mobilenet import MobileNetStagesConfig
from .mobilenet_v3 import MobileNetV3Backbone
from .segmentation import SegmentationModel


@dataclass(frozen=True)
class MobileNetSegmentationConfig(MobileNetStagesConfig):
    """What a MobileNetV3 with a head looks like.

    Args:
        in_channels: As for :class:`MobileNetStagesConfig`, as the next two.
        output_stride: As there.
        width_mult: As there.
        num_classes: Channels of each output.
    """

    output_stride: int = 16
    num_classes: int = 21

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(type(self).__name__.removesuffix("Config"), num_classes=self.num_classes)


@dataclass(frozen=True)
class LRASPPConfig(MobileNetSegmentationConfig):
    """What a Lite R-ASPP looks like; the fields are those of :class:`MobileNetSegmentationConfig`."""


@dataclass(frozen=True)
class DeepLabV3MobileNetConfig(MobileNetSegmentationConfig):
    """What a DeepLabV3 on a MobileNetV3 looks like.

    Args:
        in_channels: As for :class:`MobileNetStagesConfig`, as the next two.
        output_stride: As there.
        width_mult: As there.
        num_classes: Channels of each output.
        auxiliary_head: Whether a second head, which helps in training, sees the first map of an eighth of the size.
        dilations: Of the 3x3 convolutions of the :class:`dilax.nn.Aspp`.
    """

    auxiliary_head: bool = False
    dilations: tuple[int, ...] = (12, 24, 36)

    def __post_init__(self) -> None:
        super().__post_init__()
        flag("DeepLabV3MobileNet", auxiliary_head=self.auxiliary_head)
        object.__setattr__(self, "dilations", check_dilations("DeepLabV3MobileNet", self.dilations))


class DeepLabV3MobileNet(SegmentationModel):
    """A dilated MobileNetV3, and atrous spatial pyramid pooling on it; the keys are torchvision's.

    Args:
        backbone: As ``architecture`` of :class:`dilax.models.MobileNetV3`.
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Raises:
        ArgumentError: There is no such backbone.

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017, as torchvision has it.
    """

    def __init__(self, backbone: str, config: DeepLabV3MobileNetConfig, *, rngs: nnx.Rngs) -> None:
        stages = MobileNetV3Backbone(backbone, config, names=("aux", "out"), rngs=rngs)
        low, high = stages.channels
        classifier = DeepLabHead(high, config.num_classes, dilations=config.dilations, rngs=rngs)
        auxiliary = FCNHead(low, config.num_classes, rngs=rngs) if config.auxiliary_head else None
        super().__init__(stages, classifier, auxiliary)
        self.config = config


class LRASPPHead(nnx.Module):
    """Weighs the channels of a coarse map by the mean of the whole map, and adds to its scores those of a finer map.

    Args:
        low_channels: Channels of the finer map.
        high_channels: Channels of the coarse map.
        num_classes: Channels of the output.
        rngs: Where the initial values come from.

    Source: Howard et al., "Searching for MobileNetV3", 2019, section 6.4.
    """

    def __init__(self, low_channels: int, high_channels: int, num_classes: int, *, rngs: nnx.Rngs) -> None:
        channels = 128
        self.cbr = Sequential([
            Conv(high_channels, channels, (1, 1), bias=False, rngs=rngs),
            BatchNorm(channels),
            ReLU(),
        ])  # fmt: skip
        self.scale = Sequential([
            AdaptiveAvgPool((1, 1)),
            Conv(high_channels, channels, (1, 1), bias=False, rngs=rngs),
            Sigmoid(),
        ])  # fmt: skip
        self.low_classifier = Conv(low_channels, num_classes, (1, 1), rngs=rngs)
        self.high_classifier = Conv(channels, num_classes, (1, 1), rngs=rngs)

    def __call__(self, maps: dict[str, jax.Array]) -> jax.Array:
        """Map ``"low"``, ``(N, H, W, low_channels)``, and ``"high"``, a smaller one, to ``(N, H, W, num_classes)``."""
        low, high = maps["low"], maps["high"]
        x = ops.interpolate(self.cbr(high) * self.scale(high), low.shape[1:-1], mode="bilinear")
        return self.low_classifier(low) + self.high_classifier(x)


class LRASPP(nnx.Module):
    """A dilated MobileNetV3 and a light head on two of its feature maps; the keys are torchvision's.

    Args:
        backbone: As ``architecture`` of :class:`dilax.models.MobileNetV3`.
        config: What it looks like.
        rngs: Where initial values come from.

    Attributes:
        example_size: Height and width of a small input.

    Raises:
        ArgumentError: There is no such backbone.

    Source: Howard et al., "Searching for MobileNetV3", 2019, section 6.4.
    """

    example_size = (65, 73)

    def __init__(self, backbone: str, config: LRASPPConfig, *, rngs: nnx.Rngs) -> None:
        self.backbone = MobileNetV3Backbone(backbone, config, names=("low", "high"), rngs=rngs)
        low, high = self.backbone.channels
        self.classifier = LRASPPHead(low, high, config.num_classes, rngs=rngs)
        self.config = config

    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        """Map ``(N, H, W, in_channels)`` to ``{"out": logits}``, ``(N, H, W, num_classes)``."""
        logits = self.classifier(self.backbone(x))
        return {"out": ops.interpolate(logits, x.shape[1:-1], mode="bilinear")}
