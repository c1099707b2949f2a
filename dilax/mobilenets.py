"""MobileNets as plain data: what reads a checkpoint's shapes needs them too, and does without JAX."""

from dataclasses import dataclass


@dataclass(frozen=True)
class V2Stage:
    """Blocks of a MobileNetV2 with equal outputs.

    Attributes:
        expansion: What a block multiplies its input's channels by inside.
        channels: Channels of each output, at full width.
        blocks: How many there are.
        stride: Of the first one.
    """

    expansion: int
    channels: int
    blocks: int
    stride: int


#: Of MobileNetV2; before them comes a convolution to 32 channels, behind them one to 1280.
V2_STAGES = (
    V2Stage(1, 16, 1, 1),
    V2Stage(6, 24, 2, 2),
    V2Stage(6, 32, 3, 2),
    V2Stage(6, 64, 4, 2),
    V2Stage(6, 96, 3, 1),
    V2Stage(6, 160, 3, 2),
    V2Stage(6, 320, 1, 1),
)


@dataclass(frozen=True)
class V3Block:
    """A block of a MobileNetV3.

    Attributes:
        kernel_size: Taps of the depthwise convolution along each axis.
        width: Channels inside, at full width.
        channels: Channels of the output, at full width.
        stride: Of the depthwise convolution.
        squeeze: Whether there is a squeeze-and-excitation.
        hard: Whether activations are hardswish, else ReLU.
    """

    kernel_size: int
    width: int
    channels: int
    stride: int = 1
    squeeze: bool = False
    hard: bool = False


@dataclass(frozen=True)
class V3Architecture:
    """What makes one MobileNetV3 different from the other.

    Attributes:
        stages: Blocks with outputs of the same channels; before them comes a convolution to 16 channels, behind them
            one to six times the channels of the last block.
        hidden_channels: Channels between the two layers of the classifier.
    """

    stages: tuple[tuple[V3Block, ...], ...]
    hidden_channels: int

    @property
    def blocks(self) -> tuple[V3Block, ...]:
        """All blocks, in order."""
        return tuple(block for stage in self.stages for block in stage)


_LARGE = (
    (V3Block(3, 16, 16),),
    (V3Block(3, 64, 24, 2), V3Block(3, 72, 24)),
    (V3Block(5, 72, 40, 2, squeeze=True), *[V3Block(5, 120, 40, squeeze=True)] * 2),
    (V3Block(3, 240, 80, 2, hard=True), V3Block(3, 200, 80, hard=True), *[V3Block(3, 184, 80, hard=True)] * 2),
    (V3Block(3, 480, 112, squeeze=True, hard=True), V3Block(3, 672, 112, squeeze=True, hard=True)),
    (V3Block(5, 672, 160, 2, squeeze=True, hard=True), *[V3Block(5, 960, 160, squeeze=True, hard=True)] * 2),
)
_SMALL = (
    (V3Block(3, 16, 16, 2, squeeze=True),),
    (V3Block(3, 72, 24, 2), V3Block(3, 88, 24)),
    (V3Block(5, 96, 40, 2, squeeze=True, hard=True), *[V3Block(5, 240, 40, squeeze=True, hard=True)] * 2),
    (V3Block(5, 120, 48, squeeze=True, hard=True), V3Block(5, 144, 48, squeeze=True, hard=True)),
    (V3Block(5, 288, 96, 2, squeeze=True, hard=True), *[V3Block(5, 576, 96, squeeze=True, hard=True)] * 2),
)

#: MobileNetV3s by torchvision's name.
V3_ARCHITECTURES = {
    "mobilenet_v3_large": V3Architecture(_LARGE, 1280),
    "mobilenet_v3_small": V3Architecture(_SMALL, 1024),
}


def round_channels(channels: float) -> int:
    """The multiple of 8 next to a number of channels, at least 8, and never less by more than a tenth.

    >>> [round_channels(channels) for channels in (3, 11.2, 33.6, 60)]
    [8, 16, 32, 64]
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
