"""torchvision's own models, with the options that dilax has for them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from dilax.models import DeepLabV3Config, FCNConfig, ResNetConfig
from dilax.models.resnet import BackboneConfig

from .optional import optional

#: ResNets that torchvision has.
RESNETS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip
_DILATED = {8: [False, True, True], 16: [False, False, True], 32: [False, False, False]}


def resnet(architecture: str, config: ResNetConfig) -> torch.nn.Module:
    """torchvision's network of one of :data:`RESNETS`."""
    return _stages(architecture, config, num_classes=config.num_classes)


def _deeplabv3(backbone: str, config: DeepLabV3Config) -> torch.nn.Module:
    deeplabv3 = optional("torchvision.models.segmentation.deeplabv3")
    head = deeplabv3.DeepLabHead(2048, config.num_classes, config.dilations)
    return deeplabv3.DeepLabV3(*_with_auxiliary_head(backbone, config, head))


def _fcn(backbone: str, config: FCNConfig) -> torch.nn.Module:
    fcn = optional("torchvision.models.segmentation.fcn")
    return fcn.FCN(*_with_auxiliary_head(backbone, config, fcn.FCNHead(2048, config.num_classes)))


def _with_auxiliary_head(backbone: str, config: Any, head: torch.nn.Module) -> tuple[Any, Any, Any]:
    """The backbone, the head and the auxiliary head or None."""
    layers = {"layer4": "out"} | ({"layer3": "aux"} if config.auxiliary_head else {})
    getter = optional("torchvision.models._utils").IntermediateLayerGetter
    fcn = optional("torchvision.models.segmentation.fcn")
    auxiliary = fcn.FCNHead(1024, config.num_classes) if config.auxiliary_head else None
    return getter(_stages(backbone, config), return_layers=layers), head, auxiliary


def _stages(architecture: str, config: BackboneConfig, *, num_classes: int = 1) -> Any:
    dilated = _DILATED[config.output_stride]
    make = getattr(optional("torchvision.models"), architecture)
    module = make(num_classes=num_classes, replace_stride_with_dilation=dilated)
    if config.in_channels != 3:
        module.conv1 = torch.nn.Conv2d(config.in_channels, 64, 7, stride=2, padding=3, bias=False)
    if config.multi_grid is not None:
        multiply_dilations(module, config)
    return module


def multiply_dilations(module: Any, config: BackboneConfig) -> None:
    """Multiply the dilation of a ResNet's last stage by ``multi_grid``, in blocks of three convolutions."""
    rate = 32 // config.output_stride  # no block has it where there is but one, which keeps that of the stage before
    for block, unit in zip(module.layer4, config.multi_grid or (), strict=True):
        block.conv2.dilation = block.conv2.padding = (rate * unit, rate * unit)


#: By name, what makes the PyTorch module of a configuration.
REFERENCES: dict[str, Callable[[Any], torch.nn.Module]] = {
    "deeplabv3_resnet50": partial(_deeplabv3, "resnet50"),
    "deeplabv3_resnet101": partial(_deeplabv3, "resnet101"),
    "fcn_resnet50": partial(_fcn, "resnet50"),
    "fcn_resnet101": partial(_fcn, "resnet101"),
}
