"""DeepLabV3 on a dilated ResNet."""

from dataclasses import dataclass

from flax import nnx

from ..nn import Aspp, BatchNorm, Conv, ReLU, Sequential
from ..nn.aspp import check_dilations
from .fcn import FCNHead
from .resnet import ResNetBackbone
from .segmentation import SegmentationConfig, SegmentationModel


@dataclass(frozen=True)
class DeepLabV3Config(SegmentationConfig):
    """What a DeepLabV3 looks like.

    Args:
        in_channels: As for :class:`BackboneConfig`, as the next two.
        output_stride: As there.
        multi_grid: As there.
        num_classes: Channels of each output.
        auxiliary_head: Whether a second head, which helps in training, sees the third stage.
        dilations: Of the 3x3 convolutions of the :class:`dilax.nn.Aspp`.
    """

    dilations: tuple[int, ...] = (12, 24, 36)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "dilations", check_dilations("DeepLabV3", self.dilations))  # JSON has lists only


class DeepLabHead(Sequential):
    """An :class:`dilax.nn.Aspp`, a 3x3 convolution, and one of 1x1 to the classes.

    Args:
        in_channels: Channels of the input.
        num_classes: Channels of the output.
        dilations: As for :class:`dilax.nn.Aspp`.
        rngs: Where initial values and dropout masks come from.
    """

    def __init__(self, in_channels: int, num_classes: int, *, dilations: tuple[int, ...], rngs: nnx.Rngs) -> None:
        super().__init__([
            Aspp(in_channels, dilations, rngs=rngs),
            Conv(256, 256, (3, 3), padding=1, bias=False, rngs=rngs),
            BatchNorm(256),
            ReLU(),
            Conv(256, num_classes, (1, 1), rngs=rngs),
        ])  # fmt: skip


class DeepLabV3(SegmentationModel):
    """A ResNet whose last stages are dilated, and atrous spatial pyramid pooling on it; the keys are torchvision's.

    Args:
        backbone: As ``architecture`` of :class:`dilax.models.ResNet`.
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Raises:
        ArgumentError: There is no such backbone, or it has no block that can be dilated as asked.

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017.
    """

    def __init__(self, backbone: str, config: DeepLabV3Config, *, rngs: nnx.Rngs) -> None:
        stages = ResNetBackbone(backbone, config, auxiliary=config.auxiliary_head, rngs=rngs)
        classifier = DeepLabHead(stages.channels[3], config.num_classes, dilations=config.dilations, rngs=rngs)
        auxiliary = FCNHead(stages.channels[2], config.num_classes, rngs=rngs) if config.auxiliary_head else None
        super().__init__(stages, classifier, auxiliary)
        self.config = config
