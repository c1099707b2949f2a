"""ResNets: images to scores of classes, or to feature maps of a chosen output stride."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
from flax import nnx

from ..architectures import ARCHITECTURES, Architecture
from ..errors import ArgumentError
from ..nn import AdaptiveAvgPool, BatchNorm, Conv, Linear, MaxPool, ReLU, Sequential
from ..nn.checks import positive
from ..nn.initial import fan_out
from ..ops.arguments import is_integer, known
from .resnet_blocks import stage


@dataclass(frozen=True)
class BackboneConfig:
    """What the stages of a ResNet look like.

    Args:
        in_channels: Channels of the input.
        output_stride: Pixels of the input to one of the last feature map: 8, 16 or 32. Where it is below 32, the last
            stages have dilations in place of strides; the first block of such a stage keeps the dilation before it, as
            with torchvision's ``replace_stride_with_dilation``.
        multi_grid: One number for each block of the last stage, by which the dilation of the stage is multiplied in
            that block, the first one too; None leaves all as they are.

    Attributes:
        uniform_dilation: As ``uniform`` of :func:`block_geometry`.
    """

    uniform_dilation: ClassVar[bool] = False

    in_channels: int = 3
    output_stride: int = 32
    multi_grid: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__.removesuffix("Config")
        positive(name, in_channels=self.in_channels)
        if self.output_stride not in (8, 16, 32):
            raise ArgumentError(name, "output_stride", self.output_stride, "is not 8, 16 or 32", "pass one of them")
        if self.multi_grid is not None:
            _check_multi_grid(name, self.multi_grid)
            object.__setattr__(self, "multi_grid", tuple(self.multi_grid))  # JSON has lists only


def _check_multi_grid(name: str, multi_grid: Any) -> None:
    listed = isinstance(multi_grid, Sequence) and not isinstance(multi_grid, str | bytes)
    if not listed or not all(is_integer(unit) and unit >= 1 for unit in multi_grid):
        raise ArgumentError(name, "multi_grid", multi_grid, "is no tuple of positive integers", "pass e.g. (1, 2, 4)")


@dataclass(frozen=True)
class ResNetConfig(BackboneConfig):
    """What a ResNet looks like.

    Args:
        in_channels: As for :class:`BackboneConfig`, as the next two.
        output_stride: As there.
        multi_grid: As there.
        num_classes: Scores of the output.
    """

    num_classes: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("ResNet", num_classes=self.num_classes)


def block_geometry(
    depths: Sequence[int], output_stride: int, multi_grid: Sequence[int] | None = None, *, uniform: bool = False
) -> list[list[tuple[int, int]]]:
    """Stride and dilation of each block of each stage.

    Args:
        depths: How many blocks each stage has.
        output_stride: As for :class:`BackboneConfig`.
        multi_grid: As there.
        uniform: Whether the first block of a dilated stage has the dilation of the others, as in
            segmentation_models_pytorch; if not, that of the stage before, as in torchvision.

    >>> block_geometry((3, 4, 6, 3), 8)[3]
    [(1, 2), (1, 4), (1, 4)]
    >>> block_geometry((3, 4, 6, 3), 16, (1, 2, 4))[3]
    [(1, 2), (1, 4), (1, 8)]
    """
    stages = []
    reached, dilation = 4, 1
    for index, depth in enumerate(depths):
        stride, before = 1, dilation
        if index > 0 and reached < output_stride:
            stride = 2
            reached *= stride
        elif index > 0:
            dilation *= 2
        rates = [dilation if uniform else before, *[dilation] * (depth - 1)]
        if multi_grid is not None and index == len(depths) - 1:
            rates = [dilation * unit for unit in multi_grid]
        stages.append([(stride if block == 0 else 1, rate) for block, rate in enumerate(rates)])
    return stages


#: Dilation of each stage by output stride; the first block of a stage may have another.
_STAGE_DILATIONS = {8: (1, 1, 2, 4), 16: (1, 1, 1, 2), 32: (1, 1, 1, 1)}


class ResNetStages(nnx.Module):
    """The stem and the four stages that all ResNets begin with.

    Args:
        architecture: One of :data:`dilax.architectures.ARCHITECTURES`.
        config: What the stages look like.
        rngs: Where the initial values come from.

    Attributes:
        channels: Channels of the four feature maps.
        example_size: Height and width of a small input.

    Raises:
        ArgumentError: There is no such architecture, or it has no block that can be dilated as asked.
    """

    example_size = (65, 73)

    def __init__(self, architecture: str, config: BackboneConfig, *, rngs: nnx.Rngs) -> None:
        found = _lookup(architecture, config)
        self.channels = found.channels
        widths = found.stem or (64,)
        self.conv1 = _stem(config.in_channels, widths, rngs)
        self.bn1 = BatchNorm(widths[-1])
        self.relu = ReLU()
        self.maxpool = MaxPool((3, 3), stride=2, padding=1)
        geometry = block_geometry(
            found.depths, config.output_stride, config.multi_grid, uniform=config.uniform_dilation
        )
        dilations = _STAGE_DILATIONS[config.output_stride]
        inputs = (widths[-1], *self.channels)
        self.layer1 = stage(found, 0, inputs[0], geometry[0], dilation=dilations[0], rngs=rngs)
        self.layer2 = stage(found, 1, inputs[1], geometry[1], dilation=dilations[1], rngs=rngs)
        self.layer3 = stage(found, 2, inputs[2], geometry[2], dilation=dilations[2], rngs=rngs)
        self.layer4 = stage(found, 3, inputs[3], geometry[3], dilation=dilations[3], rngs=rngs)

    def feature_maps(self, x: jax.Array) -> dict[str, jax.Array]:
        """Map ``(N, H, W, in_channels)`` to the outputs of ``layer1`` to ``layer4`` by these names."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = {"layer1": self.layer1(x)}
        maps["layer2"] = self.layer2(maps["layer1"])
        maps["layer3"] = self.layer3(maps["layer2"])
        maps["layer4"] = self.layer4(maps["layer3"])
        return maps


class ResNet(ResNetStages):
    """A residual network that classifies images; the keys are torchvision's and timm's.

    Args:
        architecture: One of :data:`dilax.architectures.ARCHITECTURES`, e.g. ``resnet50``, ``resnext50_32x4d``,
            ``wide_resnet50_2``, ``seresnet50`` (squeeze-and-excitation), ``ecaresnet50d`` (efficient channel
            attention), ``resnet50d`` (a stem of 3x3 convolutions, means in the shortcuts).
        config: What it looks like.
        rngs: Where the initial values come from.

    Raises:
        ArgumentError: There is no such architecture, or it has no block that can be dilated as asked.

    Differs from PyTorch: channels are last; ``multi_grid``, which torchvision and timm do not have; blocks of two
    convolutions can be dilated, as timm's can and torchvision's cannot; all scales begin at 1, as torchvision's, where
    timm's last one of a block begins at 0.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2015; the dilations: Yu et al., "Dilated Residual
    Networks", 2017, and Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017; stems and
    shortcuts: He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", 2018, section 4.
    """

    def __init__(self, architecture: str, config: ResNetConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(architecture, config, rngs=rngs)
        self.config = config
        self.avgpool = AdaptiveAvgPool((1, 1))
        self.fc = Linear(self.channels[-1], config.num_classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to logits ``(N, num_classes)``."""
        return self.fc(self.avgpool(self.feature_maps(x)["layer4"]).reshape(x.shape[0], -1))


class ResNetBackbone(ResNetStages):
    """A ResNet without its classifier, as torchvision's models of segmentation hold it.

    Args:
        architecture: As for :class:`ResNet`.
        config: What the stages look like.
        auxiliary: Whether to give the output of ``layer3`` too.
        rngs: Where the initial values come from.

    Raises:
        ArgumentError: There is no such architecture, or it has no block that can be dilated as asked.
    """

    def __init__(self, architecture: str, config: BackboneConfig, *, auxiliary: bool, rngs: nnx.Rngs) -> None:
        super().__init__(architecture, config, rngs=rngs)
        self.auxiliary = auxiliary

    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        """Map ``(N, H, W, in_channels)`` to ``{"out": the last feature map}``, with ``"aux"``: the one before it."""
        maps = self.feature_maps(x)
        found = {"out": maps["layer4"]}
        return found | {"aux": maps["layer3"]} if self.auxiliary else found


def _lookup(name: str, config: BackboneConfig) -> Architecture:
    known("ResNet", "architecture", name, ARCHITECTURES, "is no ResNet")
    found = ARCHITECTURES[name]
    if config.multi_grid is not None and len(config.multi_grid) != found.depths[-1]:
        raise ArgumentError(
            "ResNet", "multi_grid", config.multi_grid,
            f"does not have one number for each of the {found.depths[-1]} blocks of the last stage of {name}",
            f"pass {found.depths[-1]} numbers",
        )  # fmt: skip
    if not found.bottleneck and config.multi_grid is not None:
        raise ArgumentError(
            "ResNet", "multi_grid", config.multi_grid,
            f"needs blocks of three convolutions, and those of {name} have two",
            "leave it out, or take resnet50 or a larger one",
        )  # fmt: skip
    return found


def _stem(in_channels: int, widths: tuple[int, ...], rngs: nnx.Rngs) -> nnx.Module:
    if len(widths) == 1:
        return Conv(in_channels, widths[0], (7, 7), stride=2, padding=3, bias=False, kernel_init=fan_out, rngs=rngs)
    layers: list[nnx.Module] = []
    for index, width in enumerate(widths):
        layers += [] if index == 0 else [BatchNorm(in_channels), ReLU()]
        stride = 2 if index == 0 else 1
        layers.append(
            Conv(in_channels, width, (3, 3), stride=stride, padding=1, bias=False, kernel_init=fan_out, rngs=rngs)
        )
        in_channels = width
    return Sequential(layers)
