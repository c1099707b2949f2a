"""torchvision's models as its own functions make them, of random numbers, and the same of smaller backbones."""

import torch
import torchvision
from torchvision.models.segmentation import deeplabv3, fcn

from dilax import models
from interop.testing import randomise

SEGMENTATION = ("deeplabv3_resnet50", "deeplabv3_resnet101", "fcn_resnet50", "fcn_resnet101")
CLASSIFICATION = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip
#: timm's ResNets of which every layer is compared, and at which output stride.
TIMM = (
    ("resnet10t", 8), ("resnet18", 8), ("resnet34", 16), ("resnet26d", 8), ("resnet50c", 32), ("resnet50", 8),
    ("wide_resnet50_2", 32), ("seresnet18", 16), ("seresnext26t_32x4d", 8), ("seresnet50t", 32), ("ecaresnet26t", 8),
    ("ecaresnetlight", 16),
)  # fmt: skip
#: Name in dilax, its options, and torchvision's.
KINDS = {
    **{name: (name, {"num_classes": 7}, {"num_classes": 7}) for name in CLASSIFICATION},
    **{
        f"{name}{' with auxiliary head' if auxiliary else ''}": (
            name,
            {"num_classes": 5, "auxiliary_head": auxiliary},
            {"num_classes": 5, "aux_loss": auxiliary, "weights_backbone": None},
        )
        for name in SEGMENTATION
        for auxiliary in (False, True)
    },
    "resnet50, output stride 16": (
        "resnet50",
        {"num_classes": 7, "output_stride": 16},
        {"num_classes": 7, "replace_stride_with_dilation": [False, False, True]},
    ),
    "resnext50_32x4d, output stride 8": (
        "resnext50_32x4d",
        {"num_classes": 7, "output_stride": 8},
        {"num_classes": 7, "replace_stride_with_dilation": [False, True, True]},
    ),
}


def reference(kind):
    """torchvision's module of one of :data:`KINDS`, of its own initial values; without memory within ``meta``."""
    name, _, options = KINDS[kind]
    home = torchvision.models.segmentation if name in SEGMENTATION else torchvision.models
    return getattr(home, name)(weights=None, **options)


def small(head):
    """A segmentation model of torchvision's parts on a ResNet-18, which it does not offer itself, with random numbers.

    Args:
        head: ``"fcn"`` or ``"deeplabv3"``.
    """
    torch.manual_seed(0)
    layers = {"layer4": "out", "layer3": "aux"}
    backbone = torchvision.models._utils.IntermediateLayerGetter(torchvision.models.resnet18(), return_layers=layers)
    auxiliary = fcn.FCNHead(256, 5)
    if head == "fcn":
        return randomise(fcn.FCN(backbone, fcn.FCNHead(512, 5), auxiliary))
    return randomise(deeplabv3.DeepLabV3(backbone, deeplabv3.DeepLabHead(512, 5, (1, 2)), auxiliary))


def small_twin(head, *, rngs):
    """The Flax twin of :func:`small`."""
    options = {"num_classes": 5, "auxiliary_head": True, "output_stride": 32}
    if head == "fcn":
        return models.FCN("resnet18", models.FCNConfig(**options), rngs=rngs)
    return models.DeepLabV3("resnet18", models.DeepLabV3Config(dilations=(1, 2), **options), rngs=rngs)
