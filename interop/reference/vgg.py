"""Networks on VGG-16 as their published checkpoints have them: FCN, dilated VGG with context module, CSRNet."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from dilax.models import CSRNetConfig, DilatedVGGConfig, FCNVGGConfig

from .drn import bilinear, upsampling

_CONVOLUTIONS = (2, 2, 3, 3, 3)


class FCNVGG(nn.Module):
    """The PyTorch twin of :class:`dilax.models.FCNVGG`.

    Args:
        config: What it looks like.
        stride: At which fraction of the resolution the finest scores are: 32, 16 or 8.

    Source: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015.
    """

    def __init__(self, config: FCNVGGConfig, *, stride: int) -> None:
        super().__init__()
        self.stride = stride
        width = config.in_channels
        for number, count in enumerate(_CONVOLUTIONS, 1):
            before, width = width, config.channels * min(8, 2 ** (number - 1))
            for place in range(1, count + 1):
                border = 100 if (number, place) == (1, 1) else 1
                conv = nn.Conv2d(before if place == 1 else width, width, 3, padding=border)
                self.add_module(f"conv{number}_{place}", conv)
                self.add_module(f"relu{number}_{place}", nn.ReLU())
            self.add_module(f"pool{number}", nn.MaxPool2d(2, ceil_mode=True))
        hidden, classes = config.hidden_channels, config.num_classes
        self.fc6, self.relu6, self.drop6 = nn.Conv2d(width, hidden, 7), nn.ReLU(), nn.Dropout2d(config.dropout)
        self.fc7, self.relu7, self.drop7 = nn.Conv2d(hidden, hidden, 1), nn.ReLU(), nn.Dropout2d(config.dropout)
        self.score_fr = nn.Conv2d(hidden, classes, 1)
        if stride == 8:
            self.score_pool3 = nn.Conv2d(config.channels * 4, classes, 1)
        if stride < 32:
            self.score_pool4 = nn.Conv2d(config.channels * 8, classes, 1)
            self.upscore2 = _interpolation(classes, 2)
        if stride == 32:
            self.upscore = _interpolation(classes, 32)
        elif stride == 16:
            self.upscore16 = _interpolation(classes, 16)
        else:
            self.upscore8 = _interpolation(classes, 8)
            self.upscore_pool4 = _interpolation(classes, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to logits ``(N, num_classes, H, W)``."""
        image, pooled = x, {}
        for number, count in enumerate(_CONVOLUTIONS, 1):
            for place in range(1, count + 1):
                x = self.get_submodule(f"relu{number}_{place}")(self.get_submodule(f"conv{number}_{place}")(x))
            x = pooled[number] = self.get_submodule(f"pool{number}")(x)
        x = self.drop6(self.relu6(self.fc6(x)))
        x = self.score_fr(self.drop7(self.relu7(self.fc7(x))))
        if self.stride == 32:
            return _window(self.upscore(x), 19, image)
        x = self.upscore2(x)
        x = x + _window(self.score_pool4(pooled[4]), 5, x)
        if self.stride == 16:
            return _window(self.upscore16(x), 27, image)
        x = self.upscore_pool4(x)
        x = x + _window(self.score_pool3(pooled[3]), 9, x)
        return _window(self.upscore8(x), 31, image)


def _interpolation(classes: int, factor: int) -> nn.ConvTranspose2d:
    layer = nn.ConvTranspose2d(classes, classes, 2 * factor, factor, bias=False)
    layer.weight.data = torch.einsum("ij,hw->ijhw", torch.eye(classes), bilinear(2 * factor))
    return layer


def _window(x: Tensor, begin: int, like: Tensor) -> Tensor:
    return x.narrow(2, begin, like.shape[2]).narrow(3, begin, like.shape[3])


class DilatedVGG(nn.Module):
    """The PyTorch twin of :class:`dilax.models.DilatedVGG`.

    Args:
        config: What it looks like.

    Source: Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016.
    """

    def __init__(self, config: DilatedVGGConfig) -> None:
        super().__init__()
        width = config.in_channels
        for number, count in enumerate(_CONVOLUTIONS, 1):
            before, width = width, config.channels * min(8, 2 ** (number - 1))
            for place in range(1, count + 1):
                conv = nn.Conv2d(before if place == 1 else width, width, 3, dilation=2 if number == 5 else 1)
                self.add_module(f"conv{number}_{place}", conv)
                self.add_module(f"relu{number}_{place}", nn.ReLU())
            if number <= 3:
                self.add_module(f"pool{number}", nn.MaxPool2d(2))
        hidden, classes = config.hidden_channels, config.num_classes
        self.fc6, self.relu6 = nn.Conv2d(width, hidden, 7, dilation=4), nn.ReLU()
        self.drop6 = nn.Dropout(config.dropout)
        self.fc7, self.relu7 = nn.Conv2d(hidden, hidden, 1), nn.ReLU()
        self.drop7 = nn.Dropout(config.dropout)
        self.final = nn.Conv2d(hidden, classes, 1)
        if config.context != "none":
            self._add_context(classes, config.levels, large=config.context == "large")
        if config.upsample:
            self.ctx_upsample = upsampling(classes)

    def _add_context(self, classes: int, levels: int, *, large: bool) -> None:
        names = ["1_1", "1_2", *(f"{number}_1" for number in range(2, levels - 2))]
        width = classes
        for name in names:
            number = int(name.partition("_")[0])
            before, width = width, classes << number if large else classes
            rate = 1 << (number - 1)
            self.add_module(f"ctx_conv{name}", nn.Conv2d(before, width, 3, padding=rate, dilation=rate))
            self.add_module(f"ctx_relu{name}", nn.ReLU())
        self.ctx_fc1, self.ctx_fc1_relu = nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
        self.ctx_final = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to logits ``(N, num_classes, (H - 372) // 8, (W - 372) // 8)``."""
        for layer in self.children():
            x = layer(x)
        return x


class CSRNet(nn.Module):
    """The PyTorch twin of :class:`dilax.models.CSRNet`.

    Args:
        config: What it looks like.

    Source: Li et al., "CSRNet: Dilated Convolutional Neural Networks for Understanding the Highly Congested Scenes",
    2018, network B.
    """

    def __init__(self, config: CSRNetConfig) -> None:
        super().__init__()
        base = config.channels
        front, width = nn.Sequential(), config.in_channels
        for number, count in enumerate(_CONVOLUTIONS[:4]):
            if number:
                front.append(nn.MaxPool2d(2))
            for _ in range(count):
                front.extend([nn.Conv2d(width, base << number, 3, padding=1), nn.ReLU()])
                width = base << number
        back = nn.Sequential()
        for after in (8 * base, 8 * base, 8 * base, 4 * base, 2 * base, base):
            back.extend([nn.Conv2d(width, after, 3, padding=2, dilation=2), nn.ReLU()])
            width = after
        self.frontend, self.backend = front, back
        self.output_layer = nn.Conv2d(width, config.num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to densities ``(N, num_classes, H // 8, W // 8)``."""
        return self.output_layer(self.backend(self.frontend(x)))


#: Builder of each name.
REFERENCES: dict[str, Callable[..., nn.Module]] = {
    "csrnet": CSRNet,
    "dilated_vgg": DilatedVGG,
    "fcn32s": partial(FCNVGG, stride=32),
    "fcn16s": partial(FCNVGG, stride=16),
    "fcn8s": partial(FCNVGG, stride=8),
}
