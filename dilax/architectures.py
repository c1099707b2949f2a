"""ResNets by name, as plain data: what reads a checkpoint's shapes needs them and does without JAX."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Architecture:
    """What makes one ResNet different from another.

    Attributes:
        depths: How many blocks each of its four stages has.
        bottleneck: Whether a block has three convolutions (:class:`dilax.nn.Bottleneck`), not two
            (:class:`dilax.nn.BasicBlock`).
        groups: Groups of the 3x3 convolutions.
        width_per_group: As for :class:`dilax.nn.Bottleneck`.
        stem: Channels of the three 3x3 convolutions that the stem has; one of 7x7 to 64 channels if empty.
        average_shortcut: Whether a shortcut that shrinks takes means, and not every other pixel.
        attention: What weighs the channels of each block's result: ``"se"``, a
            :class:`dilax.nn.SqueezeExcitation`, ``"eca"``, a :class:`dilax.nn.EfficientChannelAttention`, or nothing.
    """

    depths: tuple[int, int, int, int]
    bottleneck: bool = True
    groups: int = 1
    width_per_group: int = 64
    stem: tuple[int, ...] = ()
    average_shortcut: bool = False
    attention: Literal["", "se", "eca"] = ""

    @property
    def expansion(self) -> int:
        """Channels of a block's result for each of its middle."""
        return 4 if self.bottleneck else 1

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the four stages."""
        return tuple(width * self.expansion for width in (64, 128, 256, 512))


# The letters of timm's names.


def _c(found: Architecture) -> Architecture:
    return replace(found, stem=(32, 32, 64))


def _d(found: Architecture) -> Architecture:
    return replace(found, stem=(32, 32, 64), average_shortcut=True)


def _s(found: Architecture) -> Architecture:
    return replace(found, stem=(64, 64, 128))


def _t(found: Architecture) -> Architecture:
    return replace(found, stem=(24, 32, 64), average_shortcut=True)


def _se(found: Architecture) -> Architecture:
    return replace(found, attention="se")


def _eca(found: Architecture) -> Architecture:
    return replace(found, attention="eca")


_10 = Architecture((1, 1, 1, 1), bottleneck=False)
_14 = Architecture((1, 1, 1, 1))
_18 = Architecture((2, 2, 2, 2), bottleneck=False)
_26 = Architecture((2, 2, 2, 2))
_34 = Architecture((3, 4, 6, 3), bottleneck=False)
_50 = Architecture((3, 4, 6, 3))
_101 = Architecture((3, 4, 23, 3))
_152 = Architecture((3, 8, 36, 3))
_200 = Architecture((3, 24, 36, 3))
_269 = Architecture((3, 30, 48, 8))
_26X = replace(_26, groups=32, width_per_group=4)
_50X = replace(_50, groups=32, width_per_group=4)
_101X = replace(_101, groups=32, width_per_group=4)
_101X8 = replace(_101, groups=32, width_per_group=8)
_101X64 = replace(_101, groups=64, width_per_group=4)

#: ResNets by name, which is timm's, and torchvision's too where it has one.
ARCHITECTURES = {
    "resnet10t": _t(_10),
    "resnet14t": _t(_14),
    "resnet18": _18,
    "resnet18d": _d(_18),
    "resnet26": _26,
    "resnet26d": _d(_26),
    "resnet26t": _t(_26),
    "resnet34": _34,
    "resnet34d": _d(_34),
    "resnet50": _50,
    "resnet50c": _c(_50),
    "resnet50d": _d(_50),
    "resnet50s": _s(_50),
    "resnet50t": _t(_50),
    "resnet101": _101,
    "resnet101c": _c(_101),
    "resnet101d": _d(_101),
    "resnet101s": _s(_101),
    "resnet152": _152,
    "resnet152c": _c(_152),
    "resnet152d": _d(_152),
    "resnet152s": _s(_152),
    "resnet200": _200,
    "resnet200d": _d(_200),
    "resnext50_32x4d": _50X,
    "resnext50d_32x4d": _d(_50X),
    "resnext101_32x4d": _101X,
    "resnext101_32x8d": _101X8,
    "resnext101_32x16d": replace(_101X, width_per_group=16),
    "resnext101_32x32d": replace(_101X, width_per_group=32),
    "resnext101_64x4d": _101X64,
    "wide_resnet50_2": replace(_50, width_per_group=128),
    "wide_resnet101_2": replace(_101, width_per_group=128),
    "seresnet18": _se(_18),
    "seresnet34": _se(_34),
    "seresnet50": _se(_50),
    "seresnet50t": _se(_t(_50)),
    "seresnet101": _se(_101),
    "seresnet152": _se(_152),
    "seresnet152d": _se(_d(_152)),
    "seresnet200d": _se(_d(_200)),
    "seresnet269d": _se(_d(_269)),
    "seresnext26d_32x4d": _se(_d(_26X)),
    "seresnext26t_32x4d": _se(_t(_26X)),
    "seresnext50_32x4d": _se(_50X),
    "seresnext101_32x4d": _se(_101X),
    "seresnext101_32x8d": _se(_101X8),
    "seresnext101d_32x8d": _se(_d(_101X8)),
    "seresnext101_64x4d": _se(_101X64),
    "ecaresnet26t": _eca(_t(_26)),
    "ecaresnet50d": _eca(_d(_50)),
    "ecaresnet50t": _eca(_t(_50)),
    "ecaresnet101d": _eca(_d(_101)),
    "ecaresnet200d": _eca(_d(_200)),
    "ecaresnet269d": _eca(_d(_269)),
    "ecaresnetlight": _eca(Architecture((1, 1, 11, 3), average_shortcut=True)),
    "ecaresnext26t_32x4d": _eca(_t(_26X)),
    "ecaresnext50t_32x4d": _eca(_t(_50X)),
}
