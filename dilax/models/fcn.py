"""FCN on a dilated ResNet."""

from dataclasses import dataclass

from flax import nnx

from ..nn import BatchNorm, Conv, Dropout, ReLU, Sequential
from .resnet import ResNetBackbone
from .segmentation import SegmentationConfig, SegmentationModel


@dataclass(frozen=True)
class FCNConfig(SegmentationConfig):
    """What an FCN looks like; the fields are those of :class:`SegmentationConfig`."""


class FCNHead(Sequential):
    """A 3x3 convolution to a quarter of the channels, and one of 1x1 to the classes.

    Args:
        in_channels: Channels of the input.
        num_classes: Channels of the output.
        rngs: Where initial values and dropout masks come from.
    """

    def __init__(self, in_channels: int, num_classes: int, *, rngs: nnx.Rngs) -> None:
        channels = in_channels // 4
        super().__init__([
            Conv(in_channels, channels, (3, 3), padding=1, bias=False, rngs=rngs),
            BatchNorm(channels),
            ReLU(),
            Dropout(0.1, rngs=rngs),
            Conv(channels, num_classes, (1, 1), rngs=rngs),
        ])  # fmt: skip


class FCN(SegmentationModel):
    """A ResNet whose last stages are dilated, and a small head; the keys are torchvision's.

    Args:
        backbone: As ``architecture`` of :class:`dilax.models.ResNet`.
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Raises:
        ArgumentError: There is no such backbone, or it has no block that can be dilated as asked.

    Source: Long et al., "Fully Convolutional Networks for Semantic Segmentation", 2015, as torchvision has it.
    """

    def __init__(self, backbone: str, config: FCNConfig, *, rngs: nnx.Rngs) -> None:
        stages = ResNetBackbone(backbone, config, auxiliary=config.auxiliary_head, rngs=rngs)
        classifier = FCNHead(stages.channels[3], config.num_classes, rngs=rngs)
        auxiliary = FCNHead(stages.channels[2], config.num_classes, rngs=rngs) if config.auxiliary_head else None
        super().__init__(stages, classifier, auxiliary)
        self.config = config
