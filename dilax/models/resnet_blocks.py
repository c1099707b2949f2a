"""The stages of ResNets: blocks, shortcuts and attention as an architecture has them."""

from flax import nnx

from ..architectures import Architecture
from ..nn import (
    AvgPool,
    BasicBlock,
    BatchNorm,
    Bottleneck,
    Conv,
    EfficientChannelAttention,
    Identity,
    Sequential,
    SqueezeExcitation,
    ZeroPad,
)
from ..nn.initial import fan_out


def stage(
    architecture: Architecture,
    index: int,
    in_channels: int,
    geometry: list[tuple[int, int]],
    *,
    dilation: int,
    rngs: nnx.Rngs,
) -> Sequential:
    """The blocks of one stage.

    Args:
        architecture: What they are made of.
        index: Which stage, 0 to 3.
        in_channels: Channels of the stage's input.
        geometry: Stride and dilation of each block, as of :func:`dilax.models.resnet.block_geometry`.
        dilation: Of the stage: of the second convolution of a :class:`dilax.nn.BasicBlock`, and of a dilated stage's
            means in the shortcut.
        rngs: Where the initial values come from.
    """
    channels = 64 * 2**index
    out_channels = channels * architecture.expansion
    blocks: list[nnx.Module] = []
    for stride, rate in geometry:
        shortcut = None
        if architecture.average_shortcut and (stride != 1 or in_channels != out_channels):
            shortcut = _average_shortcut(in_channels, out_channels, stride, dilation, rngs)
        blocks.append(_block(architecture, in_channels, channels, stride, (rate, dilation), shortcut, rngs))
        in_channels = out_channels
    return Sequential(blocks)


def _block(
    architecture: Architecture,
    in_channels: int,
    channels: int,
    stride: int,
    dilations: tuple[int, int],
    shortcut: nnx.Module | None,
    rngs: nnx.Rngs,
) -> nnx.Module:
    attention = _attention(architecture, channels * architecture.expansion, rngs)
    if architecture.bottleneck:
        return Bottleneck(
            in_channels, channels, stride=stride, dilation=dilations[0], groups=architecture.groups,
            width_per_group=architecture.width_per_group, attention=attention, downsample=shortcut,
            kernel_init=fan_out, rngs=rngs,
        )  # fmt: skip
    return BasicBlock(
        in_channels, channels, stride=stride, dilation=dilations[1], first_dilation=dilations[0],
        attention=attention, downsample=shortcut, kernel_init=fan_out, rngs=rngs,
    )  # fmt: skip


def _attention(architecture: Architecture, channels: int, rngs: nnx.Rngs) -> nnx.Module | None:
    if architecture.attention == "se":
        return SqueezeExcitation(channels, max(channels // 16, 8), rngs=rngs)
    return EfficientChannelAttention(channels, rngs=rngs) if architecture.attention == "eca" else None


def _average_shortcut(in_channels: int, out_channels: int, stride: int, dilation: int, rngs: nnx.Rngs) -> Sequential:
    """Means of 2x2 pixels in place of a stride; a dilated stage keeps them, and zeros behind the last pixel count."""
    means: nnx.Module = Identity()
    if dilation > 1:
        means = Sequential([ZeroPad(((0, 1), (0, 1))), AvgPool((2, 2), stride=1)])
    elif stride > 1:
        means = AvgPool((2, 2), stride=stride, ceil_mode=True, count_include_pad=False)
    conv = Conv(in_channels, out_channels, (1, 1), bias=False, kernel_init=fan_out, rngs=rngs)
    return Sequential([means, conv, BatchNorm(out_channels)])
