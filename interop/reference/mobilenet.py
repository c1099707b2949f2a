"""torchvision's MobileNets, with the options that dilax has for them."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from dilax.models import DeepLabV3MobileNetConfig, LRASPPConfig, MobileNetV2Config, MobileNetV3Config
from dilax.models.mobilenet import MobileNetStagesConfig

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


def _mobilenet_v3(architecture: str, config: MobileNetV3Config) -> torch.nn.Module:
    return _v3(architecture, config, num_classes=config.num_classes, dropout=config.dropout)


def _deeplabv3(backbone: str, config: DeepLabV3MobileNetConfig) -> torch.nn.Module:
    deeplabv3 = optional("torchvision.models.segmentation.deeplabv3")
    module = deeplabv3._deeplabv3_mobilenetv3(_v3(backbone, config), config.num_classes, config.auxiliary_head)
    in_channels = module.classifier[0].convs[0][0].in_channels
    module.classifier = deeplabv3.DeepLabHead(in_channels, config.num_classes, config.dilations)
    return module


def _lraspp(backbone: str, config: LRASPPConfig) -> torch.nn.Module:
    lraspp = optional("torchvision.models.segmentation.lraspp")
    return lraspp._lraspp_mobilenetv3(_v3(backbone, config), config.num_classes)


def _v3(architecture: str, config: MobileNetStagesConfig, *, num_classes: int = 1, dropout: float = 0.0) -> Any:
    module = getattr(optional("torchvision.models"), architecture)(
        num_classes=num_classes, width_mult=config.width_mult, dropout=dropout, dilated=config.output_stride == 16
    )
    _adapt_stem(module.features[0], config.in_channels)
    if config.output_stride == 8:  # torchvision's functions have no such network
        third, fourth = [number for number, layer in enumerate(module.features) if getattr(layer, "_is_cn", False)][2:]
        _dilate(module.features[third:fourth], 2)
        _dilate(module.features[fourth:], 4)
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
REFERENCES: dict[str, Callable[[Any], torch.nn.Module]] = {
    "mobilenet_v2": _mobilenet_v2,
    "mobilenet_v3_large": partial(_mobilenet_v3, "mobilenet_v3_large"),
    "mobilenet_v3_small": partial(_mobilenet_v3, "mobilenet_v3_small"),
    "deeplabv3_mobilenet_v3_large": partial(_deeplabv3, "mobilenet_v3_large"),
    "lraspp_mobilenet_v3_large": partial(_lraspp, "mobilenet_v3_large"),
}
