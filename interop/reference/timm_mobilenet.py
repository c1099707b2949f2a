"""timm's MobileNets, with the options that dilax has for them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from dilax.models import TimmMobileNetConfig

from .optional import optional


def _mobilenet(name: str, config: TimmMobileNetConfig) -> torch.nn.Module:
    create = optional("timm").create_model
    module: Any = create(name, in_chans=config.in_channels, num_classes=config.num_classes, drop_rate=config.dropout)
    if config.output_stride != 32:
        # A MobileNetV3 of timm's with a classifier cannot be dilated; its feature extractor has the same blocks.
        dilated = create(name, features_only=True, output_stride=config.output_stride)
        module.blocks = dilated.blocks
    return module


_NAMES = ("mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100")

#: By name, what makes the PyTorch module of a configuration.
REFERENCES: dict[str, Callable[[TimmMobileNetConfig], torch.nn.Module]] = {
    f"timm_{name}": partial(_mobilenet, name) for name in _NAMES
}
