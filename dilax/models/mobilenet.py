"""What MobileNets share: their configuration, how strides become dilations, and their parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax
from flax import nnx

from ..errors import ArgumentError
from ..nn import BatchNorm, Conv, Sequential
from ..nn.checks import finite, positive, share
from ..nn.initial import fan_out


@dataclass(frozen=True)
class MobileNetStagesConfig:
    """What the convolutions of a MobileNet look like.

    Args:
        in_channels: Channels of the input.
        output_stride: Pixels of the input to one of the last feature map: 8, 16 or 32. Where it is below 32, the last
            stages have dilations in place of strides; see :func:`block_geometry`.
        width_mult: What the channels of all layers are multiplied by, before they are rounded to multiples of 8.
    """

    in_channels: int = 3
    output_stride: int = 32
    width_mult: float = 1.0

    def __post_init__(self) -> None:
        name = type(self).__name__.removesuffix("Config")
        positive(name, in_channels=self.in_channels)
        finite(name, width_mult=self.width_mult)
        check_output_stride(name, self.output_stride)
        if self.width_mult <= 0:
            raise ArgumentError(name, "width_mult", self.width_mult, "is not above 0", "pass e.g. 0.75")


@dataclass(frozen=True)
class MobileNetConfig(MobileNetStagesConfig):
    """What a MobileNet that classifies looks like.

    Args:
        in_channels: As for :class:`MobileNetStagesConfig`, as the next two.
        output_stride: As there.
        width_mult: As there.
        num_classes: Scores of the output.
        dropout: Share of the last layer's input that is dropped in training, from 0 to 1.
    """

    num_classes: int = 1000
    dropout: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__.removesuffix("Config")
        positive(name, num_classes=self.num_classes)
        share(name, "dropout", self.dropout)


def check_output_stride(function: str, output_stride: int) -> None:
    """Raise an ArgumentError unless it is 8, 16 or 32."""
    if output_stride not in (8, 16, 32):
        raise ArgumentError(function, "output_stride", output_stride, "is not 8, 16 or 32", "pass one of them")


def block_geometry(strides: Iterable[int], output_stride: int, *, delayed: bool = False) -> list[tuple[int, int]]:
    """Stride and dilation of each block behind a first convolution of stride 2.

    Strides beyond ``output_stride`` become dilations of all blocks from there on, of the strided one too, as in
    torchvision's MobileNetV3 and in the MobileNetV2 of segmentation_models_pytorch. With ``delayed`` the strided one
    keeps the dilation before it, as in timm.

    Args:
        strides: Of the blocks, without dilation.
        output_stride: The product of all strides that is not exceeded.
        delayed: Whether dilations begin behind the strided block.

    >>> block_geometry((1, 2, 2, 2, 1), 8)
    [(1, 1), (2, 1), (2, 1), (1, 2), (1, 2)]
    >>> block_geometry((1, 2, 2, 2, 1), 8, delayed=True)
    [(1, 1), (2, 1), (2, 1), (1, 1), (1, 2)]
    """
    found = []
    reached, dilation = 2, 1
    for stride in strides:
        before = dilation
        if reached * stride <= output_stride:
            reached *= stride
            found.append((stride, dilation))
        else:
            dilation *= stride
            found.append((1, before if delayed else dilation))
    return found


class MobileNetStages(nnx.Module):
    """A convolution of stride 2, blocks, and a last convolution, as torchvision's MobileNets begin.

    Args:
        layers: All of them in order, the key of each being ``features`` and its number.
        strides: Of the blocks, without dilation.

    Attributes:
        ends: Numbers of the layers with the last output of each resolution: at full width those with a half to a
            32nd of the input's. They stay the same where dilations take the place of strides.
        example_size: Height and width of a small input.
    """

    example_size: ClassVar[tuple[int, int]] = (65, 73)

    def __init__(self, layers: Iterable[nnx.Module], strides: Sequence[int]) -> None:
        self.features = Sequential(layers)
        self.ends = (*(number for number, stride in enumerate(strides) if stride == 2), len(strides) + 1)

    def feature_maps(self, x: jax.Array) -> dict[str, jax.Array]:
        """Map ``(N, H, W, in_channels)`` to the outputs of the layers ``ends`` by their keys, e.g. ``features.3``."""
        maps = {}
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.ends:
                maps[f"features.{number}"] = x
        return maps


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    eps: float = 1e-5,
    momentum: float = 0.1,
    activation: nnx.Module | None = None,
    rngs: nnx.Rngs,
) -> Sequential:
    """A convolution without bias, a batch normalisation and an activation, torchvision's ``Conv2dNormActivation``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps along both axes, an odd number; the padding keeps the size.
        stride: Of the convolution.
        dilation: Of the convolution.
        groups: Of the convolution.
        eps: Of the batch normalisation.
        momentum: Of the batch normalisation.
        activation: What follows, if anything.
        rngs: Where the initial values come from.
    """
    conv = Conv(
        in_channels, out_channels, (kernel_size, kernel_size), stride=stride, dilation=dilation, groups=groups,
        padding=dilation * (kernel_size // 2), bias=False, kernel_init=fan_out, rngs=rngs,
    )  # fmt: skip
    norm = BatchNorm(out_channels, eps=eps, momentum=momentum)
    return Sequential([conv, norm] if activation is None else [conv, norm, activation])
