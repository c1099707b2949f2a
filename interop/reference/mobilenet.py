"""torchvision's MobileNets, with the options that dilax has for them."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from dilax.models import MobileNetV2Config

from .optional import optional


def _mobilenet_v2(config: MobileNetV2Config) -> torch.nn.Module:
    module = optional("torchvision.models").mobilenet_v2(
        num_classes=config.num_classes, width_mult=config.width_mult, dropout=config.dropout
    )
    _adapt_stem(module.features[0], config.in_channels)
    # The strides at 7 and 14 are those that lead to 16 and 32.
    for stride, layers in ((16, module.features[7:14]), (32, module.features[14:])):
        _dilate(layers, stride // config.output_stride)
    return module


def _adapt_stem(stem: Any, in_channels: int) -> None:
    conv = stem[0]
    if in_channels != conv.in_channels:
        stem[0] = torch.nn.Conv2d(in_channels, conv.out_channels, 3, stride=2, padding=1, bias=False)


def _dilate(layers: Iterable[torch.nn.Module], rate: int) -> None:
    """Put dilations of ``rate`` in place of the strides of depthwise convolutions."""
    if rate <= 1:
        return
    for layer in layers:
        for conv in layer.modules():
            if isinstance(conv, torch.nn.Conv2d) and conv.groups > 1:
                reach = rate * (conv.kernel_size[0] // 2)
                conv.stride, conv.dilation, conv.padding = (1, 1), (rate, rate), (reach, reach)


#: By name, what makes the PyTorch module of a configuration.
REFERENCES: dict[str, Callable[[Any], torch.nn.Module]] = {"mobilenet_v2": _mobilenet_v2}
