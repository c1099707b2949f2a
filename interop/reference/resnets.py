"""ResNets: torchvision's own where it has one, else timm's, with the options that dilax has for them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from dilax.architectures import ARCHITECTURES
from dilax.models import ResNetConfig

from .optional import optional
from .torchvision_models import RESNETS, multiply_dilations, resnet


def _resnet(name: str, config: ResNetConfig) -> torch.nn.Module:
    # torchvision's blocks of two convolutions cannot be dilated; timm's have the same keys and can.
    ours = name in RESNETS and (ARCHITECTURES[name].bottleneck or config.output_stride == 32)
    return resnet(name, config) if ours else timm_resnet(name, config)


def timm_resnet(name: str, config: ResNetConfig) -> torch.nn.Module:
    """timm's network of one of :data:`dilax.architectures.ARCHITECTURES`.

    Raises:
        MissingDependency: timm is not installed.
    """
    module: Any = optional("timm").create_model(
        name, in_chans=config.in_channels, num_classes=config.num_classes, output_stride=config.output_stride
    )
    if config.multi_grid is not None:
        multiply_dilations(module, config)
    return module


#: By name, what makes the PyTorch module of a configuration.
REFERENCES: dict[str, Callable[[ResNetConfig], torch.nn.Module]] = {
    name: partial(_resnet, name) for name in ARCHITECTURES
}
