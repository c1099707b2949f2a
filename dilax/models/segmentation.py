"""What models of segmentation share that are a ResNet with heads."""

from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx

from .. import ops
from ..nn.checks import positive
from ..ops.arguments import flag
from .resnet import BackboneConfig


@dataclass(frozen=True)
class SegmentationConfig(BackboneConfig):
    """What a ResNet with heads looks like.

    Args:
        in_channels: As for :class:`BackboneConfig`, as the next two.
        output_stride: As there.
        multi_grid: As there.
        num_classes: Channels of each output.
        auxiliary_head: Whether a second head, which helps in training, sees the third stage.
    """

    output_stride: int = 8
    num_classes: int = 21
    auxiliary_head: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__.removesuffix("Config")
        positive(name, num_classes=self.num_classes)
        flag(name, auxiliary_head=self.auxiliary_head)


class SegmentationModel(nnx.Module):
    """A backbone, a head on its last feature map, and perhaps one on the map before; outputs as large as the input.

    Args:
        backbone: Gives ``"out"``, and ``"aux"`` if there is a second head.
        classifier: The head.
        aux_classifier: The second head, or None.

    Attributes:
        example_size: Height and width of a small input.
    """

    example_size = (65, 73)

    def __init__(self, backbone: Any, classifier: Any, aux_classifier: Any) -> None:
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        """Map ``(N, H, W, in_channels)`` to ``{"out": logits}``, with ``"aux"``, each ``(N, H, W, num_classes)``."""
        maps = self.backbone(x)
        heads = {"out": self.classifier, "aux": self.aux_classifier}
        return {
            name: ops.interpolate(head(maps[name]), x.shape[1:-1], mode="bilinear")
            for name, head in heads.items()
            if head is not None
        }
