"""Yu and Koltun's networks: VGG-16 without its last two poolings, dilated instead, and a context module."""

from dataclasses import dataclass
from typing import Literal

import jax
from flax import nnx

from ..nn import Conv, Dropout, MaxPool, ReLU
from ..nn.chain import attach, run
from ..nn.checks import positive, share
from ..nn.context import check_levels, context_layers
from ..ops.arguments import flag, one_of
from .upsampling import fixed_upsampling
from .vgg import vgg_channels, vgg_stage

#: Pixels that the unpadded convolutions of the front end take off each side.
MARGIN = 186


@dataclass(frozen=True)
class DilatedVGGConfig:
    """What a dilated VGG looks like.

    Args:
        in_channels: Channels of the input.
        num_classes: Channels of the output.
        channels: Channels of the first layer, which those of VGG's convolutions are multiples of.
        hidden_channels: Channels of the layers ``fc6`` and ``fc7``.
        context: Which context module follows the front end: ``"none"``, ``"basic"`` or ``"large"``.
        levels: As for :class:`dilax.nn.ContextModule`: 8 in Dilation8 (Pascal VOC), 10 in Dilation10 (Cityscapes).
        upsample: Whether the logits are interpolated to eight times their size at last, as in Dilation10.
        dropout: Share of the numbers of ``fc6`` and ``fc7`` dropped in training.
    """

    in_channels: int = 3
    num_classes: int = 21
    channels: int = 64
    hidden_channels: int = 4096
    context: Literal["none", "basic", "large"] = "basic"
    levels: int = 8
    upsample: bool = False
    dropout: float = 0.5

    def __post_init__(self) -> None:
        positive(
            "DilatedVGG", in_channels=self.in_channels, num_classes=self.num_classes, channels=self.channels,
            hidden_channels=self.hidden_channels,
        )  # fmt: skip
        one_of("DilatedVGG", "context", self.context, ("none", "basic", "large"))
        check_levels("DilatedVGG", self.levels)
        flag("DilatedVGG", upsample=self.upsample)
        share("DilatedVGG", "dropout", self.dropout)


class DilatedVGG(nnx.Module):
    """The front end, and behind it the context module of the published networks.

    Its keys are the names of the published Caffe networks and of their PyTorch versions: ``conv1_1`` to ``conv5_3``,
    ``fc6``, ``fc7``, ``final``, ``ctx_conv1_1`` to ``ctx_final``, ``ctx_upsample``.

    The front end does not pad: an output pixel sees 186 pixels to each side, and the published code puts a border of
    so many before (``dilax.nn.ReflectionPad(186)``), or cuts windows that large.

    Args:
        config: What it looks like.
        rngs: Where initial values and dropout masks come from; the context module begins as the identity. The published
            training begins with the convolutions of a VGG trained on ImageNet.

    Attributes:
        example_size: Height and width of a small input.

    Differs from Caffe: poolings leave out an odd last row or column, as PyTorch's; in inputs of 372 + 8n pixels, the
    published ones among them, there is none.

    Source: Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016.
    """

    example_size = (2 * MARGIN + 8, 2 * MARGIN + 16)

    def __init__(self, config: DilatedVGGConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        layers = _front_end(config, rngs)
        if config.context != "none":
            layers |= context_layers(
                config.num_classes, levels=config.levels, large=config.context == "large", rngs=rngs
            )
        if config.upsample:
            layers["ctx_upsample"] = fixed_upsampling(config.num_classes, rngs=rngs)
        self.order = attach(self, layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to logits ``(N, (H - 372) // 8, (W - 372) // 8, num_classes)``."""
        return run(self, self.order, x)


def _front_end(config: DilatedVGGConfig, rngs: nnx.Rngs) -> dict[str, nnx.Module]:
    layers: dict[str, nnx.Module] = {}
    width = config.in_channels
    for number in range(1, 6):
        before, width = width, vgg_channels(number, config.channels)
        layers |= vgg_stage(number, before, width, padding=0, dilation=2 if number == 5 else 1, rngs=rngs)
        if number < 4:
            layers[f"pool{number}"] = MaxPool((2, 2))
    hidden = config.hidden_channels
    return layers | {
        "fc6": Conv(width, hidden, (7, 7), dilation=4, rngs=rngs),
        "relu6": ReLU(),
        "drop6": Dropout(config.dropout, rngs=rngs),
        "fc7": Conv(hidden, hidden, (1, 1), rngs=rngs),
        "relu7": ReLU(),
        "drop7": Dropout(config.dropout, rngs=rngs),
        "final": Conv(hidden, config.num_classes, (1, 1), rngs=rngs),
    }
