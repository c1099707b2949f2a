"""Dilated residual networks as their published checkpoints have them."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from dilax.models import DRNConfig, DRNSegConfig

# Stages of residual blocks at 1/4 (in A) or 1/2 of the input and below: how many blocks, and whether of three layers.
_DEPTHS = {
    "a_50": ((3, 4, 6, 3), True),
    "c_26": ((2, 2, 2, 2), False),
    "c_42": ((3, 4, 6, 3), False),
    "c_58": ((3, 4, 6, 3), True),
    "d_22": ((2, 2, 2, 2), False),
    "d_24": ((2, 2, 2, 2), False),
    "d_38": ((3, 4, 6, 3), False),
    "d_40": ((3, 4, 6, 3), False),
    "d_54": ((3, 4, 6, 3), True),
    "d_56": ((3, 4, 6, 3), True),
    "d_105": ((3, 4, 23, 3), True),
    "d_107": ((3, 4, 23, 3), True),
}
_TWO_LAST_CONVOLUTIONS = ("d_24", "d_40", "d_56", "d_107")


class _Block(nn.Module):
    """Two layers of 3x3, or one between two of 1x1, and a shortcut around them."""

    def __init__(self, before: int, after: int, rate: int, stride: int, deep: bool, shortcut: bool = True) -> None:
        super().__init__()
        inner = after // 4 if deep else after
        two = [(before, inner, 3), (inner, after, 3)]
        sizes = [(before, inner, 1), (inner, inner, 3), (inner, after, 1)] if deep else two
        strided = 2 if deep else 1
        for place, (c_in, c_out, taps) in enumerate(sizes, 1):
            step = stride if place == strided else 1
            wide = taps == 3
            conv = nn.Conv2d(c_in, c_out, taps, step, rate if wide else 0, dilation=rate if wide else 1, bias=False)
            self.add_module(f"conv{place}", conv)
            self.add_module(f"bn{place}", nn.BatchNorm2d(c_out))
        self.relu = nn.ReLU()
        self.layers = len(sizes)
        self.shortcut = shortcut
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for place in range(1, self.layers + 1):
            y = self.get_submodule(f"bn{place}")(self.get_submodule(f"conv{place}")(y))
            if place < self.layers:
                y = self.relu(y)
        aside = self.downsample(x) if hasattr(self, "downsample") else x
        return self.relu(y + aside if self.shortcut else y)


def _stage(
    before: int,
    after: int,
    count: int,
    rate: int,
    stride: int,
    *,
    deep: bool,
    first_rate: int | None = None,
    shortcut: bool = True,
) -> nn.Sequential:
    blocks = [_Block(before, after, rate if first_rate is None else first_rate, stride, deep, shortcut)]
    blocks += [_Block(after, after, rate, 1, deep, shortcut) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


def _plain(before: int, after: int, count: int, rate: int, stride: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place in range(count):
        conv = nn.Conv2d(
            before if place == 0 else after, after, 3, stride if place == 0 else 1, rate, dilation=rate, bias=False
        )
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def _features(name: str, in_channels: int, base: int) -> tuple[dict[str, nn.Module], int]:
    """The layers before the classifier, and the channels of the last."""
    counts, deep = _DEPTHS[name]
    grown = [factor * base * (4 if deep else 1) for factor in (4, 8, 16, 32)]
    if name.startswith("a"):
        layers: dict[str, nn.Module] = {
            "conv1": nn.Conv2d(in_channels, 4 * base, 7, 2, 3, bias=False),
            "bn1": nn.BatchNorm2d(4 * base),
            "relu": nn.ReLU(),
            "maxpool": nn.MaxPool2d(3, 2, 1),
            "layer1": _stage(4 * base, grown[0], counts[0], 1, 1, deep=deep),
            "layer2": _stage(grown[0], grown[1], counts[1], 1, 2, deep=deep),
            "layer3": _stage(grown[1], grown[2], counts[2], 2, 1, deep=deep, first_rate=1),
            "layer4": _stage(grown[2], grown[3], counts[3], 4, 1, deep=deep, first_rate=1),
        }
        return layers, grown[3]
    stem = [nn.Conv2d(in_channels, base, 7, 1, 3, bias=False), nn.BatchNorm2d(base), nn.ReLU()]
    layers = {
        "layer3": _stage(2 * base, grown[0], counts[0], 1, 2, deep=deep),
        "layer4": _stage(grown[0], grown[1], counts[1], 1, 2, deep=deep),
        "layer5": _stage(grown[1], grown[2], counts[2], 2, 1, deep=deep),
        "layer6": _stage(grown[2], grown[3], counts[3], 4, 1, deep=deep),
    }
    if name.startswith("c"):
        first = {"conv1": stem[0], "bn1": stem[1], "relu": stem[2]}
        first["layer1"] = _stage(base, base, 1, 1, 1, deep=False)
        first["layer2"] = _stage(base, 2 * base, 1, 1, 2, deep=False)
        layers["layer7"] = _stage(grown[3], 32 * base, 1, 2, 1, deep=False, shortcut=False)
        layers["layer8"] = _stage(32 * base, 32 * base, 1, 1, 1, deep=False, shortcut=False)
    else:
        last = 2 if name in _TWO_LAST_CONVOLUTIONS else 1
        first = {"layer0": nn.Sequential(*stem), "layer1": _plain(base, base, 1, 1, 1)}
        first["layer2"] = _plain(base, 2 * base, 1, 1, 2)
        layers["layer7"] = _plain(grown[3], 32 * base, last, 2, 1)
        layers["layer8"] = _plain(32 * base, 32 * base, last, 1, 1)
    return {**first, **layers}, 32 * base


class DRN(nn.Module):
    """The PyTorch twin of :class:`dilax.models.DRN`.

    Args:
        config: What it looks like.
        variant: Its name, e.g. ``"drn_d_22"``.

    Source: Yu, Koltun and Funkhouser, "Dilated Residual Networks", 2017.
    """

    def __init__(self, config: DRNConfig, *, variant: str) -> None:
        super().__init__()
        layers, width = _features(variant.removeprefix("drn_"), config.in_channels, config.channels)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.features = tuple(layers)
        self.out_map = config.out_map
        self.vector_first = "maxpool" in layers
        self.avgpool = nn.AvgPool2d(config.pool_size, 1 if self.vector_first else None)
        self.fc: nn.Module = (
            nn.Linear(width, config.num_classes) if self.vector_first else nn.Conv2d(width, config.num_classes, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to logits."""
        for name in self.features:
            x = self.get_submodule(name)(x)
        if self.out_map:
            return self.fc(x)
        x = self.avgpool(x)
        return self.fc(x.flatten(1)) if self.vector_first else self.fc(x).flatten(1)


class DRNSeg(nn.Module):
    """The PyTorch twin of :class:`dilax.models.DRNSeg`.

    Args:
        config: What it looks like.

    Source: Yu, Koltun and Funkhouser, "Dilated Residual Networks", 2017, section 5.
    """

    def __init__(self, config: DRNSegConfig) -> None:
        super().__init__()
        layers, width = _features(config.base.removeprefix("drn_"), config.in_channels, config.channels)
        self.base = nn.Sequential(*layers.values())
        self.seg = nn.Conv2d(width, config.num_classes, 1)
        self.softmax = nn.LogSoftmax(dim=1)
        self.up = (
            upsampling(config.num_classes)
            if config.upsampling == "transposed"
            else nn.UpsamplingBilinear2d(scale_factor=8)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``(N, in_channels, H, W)`` to logarithms of probabilities at full size and logits at 1/8."""
        logits = self.seg(self.base(x))
        return self.softmax(self.up(logits)), logits


def upsampling(channels: int) -> nn.ConvTranspose2d:
    """Bilinear interpolation of each channel to eight times its size, not trained."""
    layer = nn.ConvTranspose2d(channels, channels, 16, 8, 4, groups=channels, bias=False)
    layer.weight.requires_grad_(False)
    layer.weight.copy_(bilinear(16))
    return layer


def bilinear(taps: int) -> Tensor:
    """The kernel ``(taps, taps)`` of bilinear interpolation to ``taps / 2`` times the size, for even ``taps``."""
    line = torch.tensor([1 - math.fabs(2 * place + 1 - taps) / taps for place in range(taps)])
    return torch.outer(line, line)


#: Builder of each name.
REFERENCES: dict[str, Callable[..., nn.Module]] = {
    f"drn_{name}": partial(DRN, variant=f"drn_{name}") for name in _DEPTHS
} | {"drn_seg": DRNSeg}
