"""Dilated residual networks: residual networks that keep an eighth of the resolution by dilation."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..nn import AvgPool, BatchNorm, Conv, Linear, LogSoftmax, MaxPool, ReLU, Sequential, Upsample
from ..nn.chain import attach, run
from ..nn.checks import positive
from ..ops.arguments import flag, known, one_of
from .upsampling import fixed_upsampling

_INIT = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")


@dataclass(frozen=True)
class DRNConfig:
    """What a dilated residual network looks like, besides its name.

    Args:
        in_channels: Channels of the input.
        num_classes: Channels of the output.
        channels: Channels of the first layer of C and D, which all others are multiples of; A begins with four times
            as many.
        out_map: Whether the output is a map of classes at an eighth of the resolution; not in A.
        pool_size: Samples along each axis of the map over which classes are averaged otherwise; 28 suits an input of
            224 x 224.
    """

    in_channels: int = 3
    num_classes: int = 1000
    channels: int = 16
    out_map: bool = False
    pool_size: int = 28

    def __post_init__(self) -> None:
        positive(
            "DRN", in_channels=self.in_channels, num_classes=self.num_classes, channels=self.channels,
            pool_size=self.pool_size,
        )  # fmt: skip
        flag("DRN", out_map=self.out_map)


@dataclass(frozen=True)
class DRNSegConfig:
    """What a dilated residual network for segmentation looks like.

    Args:
        in_channels: Channels of the input.
        num_classes: Channels of the output.
        base: Which network gives the features, e.g. ``"drn_d_22"``.
        channels: As for :class:`DRNConfig`.
        upsampling: What brings logits to full size: ``"transposed"``, a transposed convolution that holds bilinear
            weights and is not trained, or ``"bilinear"``, interpolation with aligned corners.
    """

    in_channels: int = 3
    num_classes: int = 19
    base: str = "drn_d_22"
    channels: int = 16
    upsampling: Literal["transposed", "bilinear"] = "transposed"

    def __post_init__(self) -> None:
        positive("DRNSeg", in_channels=self.in_channels, num_classes=self.num_classes, channels=self.channels)
        one_of("DRNSeg", "upsampling", self.upsampling, ("transposed", "bilinear"))
        known("DRNSeg", "base", self.base, VARIANTS, "is unknown")


class _BasicBlock(nnx.Module):
    expansion = 1

    def __init__(
        self, c_in: int, planes: int, *, stride: int, dilation: int, residual: bool = True, rngs: nnx.Rngs
    ) -> None:
        self.residual = residual
        self.conv1 = _conv(c_in, planes, stride=stride, dilation=dilation, rngs=rngs)
        self.bn1 = BatchNorm(planes)
        self.relu = ReLU()
        self.conv2 = _conv(planes, planes, dilation=dilation, rngs=rngs)
        self.bn2 = BatchNorm(planes)
        self.downsample = _projection(c_in, planes, stride, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        # Also where its result is not used: the published code moves its batch statistics all the same.
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(y + shortcut if self.residual else y)


class _Bottleneck(nnx.Module):
    expansion = 4

    def __init__(self, c_in: int, planes: int, *, stride: int, dilation: int, rngs: nnx.Rngs) -> None:
        self.conv1 = _conv(c_in, planes, taps=1, rngs=rngs)
        self.bn1 = BatchNorm(planes)
        self.conv2 = _conv(planes, planes, stride=stride, dilation=dilation, rngs=rngs)
        self.bn2 = BatchNorm(planes)
        self.conv3 = _conv(planes, 4 * planes, taps=1, rngs=rngs)
        self.bn3 = BatchNorm(4 * planes)
        self.relu = ReLU()
        self.downsample = _projection(c_in, 4 * planes, stride, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def _conv(c_in: int, c_out: int, *, taps: int = 3, stride: int = 1, dilation: int = 1, rngs: nnx.Rngs) -> Conv:
    return Conv(
        c_in, c_out, (taps, taps), stride=stride, padding=dilation * (taps // 2), dilation=dilation, bias=False,
        kernel_init=_INIT, rngs=rngs,
    )  # fmt: skip


def _projection(c_in: int, c_out: int, stride: int, rngs: nnx.Rngs) -> Sequential | None:
    if stride == 1 and c_in == c_out:
        return None
    return Sequential([_conv(c_in, c_out, taps=1, stride=stride, rngs=rngs), BatchNorm(c_out)])


#: Form, residual block, and blocks or convolutions of each stage, by the published name, whose number counts layers.
VARIANTS: dict[str, tuple[Literal["A", "C", "D"], type[_BasicBlock] | type[_Bottleneck], tuple[int, ...]]] = {
    "drn_a_50": ("A", _Bottleneck, (3, 4, 6, 3)),
    "drn_c_26": ("C", _BasicBlock, (1, 1, 2, 2, 2, 2, 1, 1)),
    "drn_c_42": ("C", _BasicBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn_c_58": ("C", _Bottleneck, (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn_d_22": ("D", _BasicBlock, (1, 1, 2, 2, 2, 2, 1, 1)),
    "drn_d_24": ("D", _BasicBlock, (1, 1, 2, 2, 2, 2, 2, 2)),
    "drn_d_38": ("D", _BasicBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn_d_40": ("D", _BasicBlock, (1, 1, 3, 4, 6, 3, 2, 2)),
    "drn_d_54": ("D", _Bottleneck, (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn_d_56": ("D", _Bottleneck, (1, 1, 3, 4, 6, 3, 2, 2)),
    "drn_d_105": ("D", _Bottleneck, (1, 1, 3, 4, 23, 3, 1, 1)),
    "drn_d_107": ("D", _Bottleneck, (1, 1, 3, 4, 23, 3, 2, 2)),
}

#: Channels over those of the first layer, stride and dilation of the eight stages of C and D.
_STAGES = ((1, 1, 1), (2, 2, 1), (4, 2, 1), (8, 2, 1), (16, 1, 2), (32, 1, 4), (32, 1, 2), (32, 1, 1))

#: The same of the four stages of A. Their first blocks are not dilated.
_STAGES_A = ((4, 1, 1), (8, 2, 1), (16, 1, 2), (32, 1, 4))


class _Trunk:
    """The layers up to the features, by their names in the published code.

    Attributes:
        layers: The layers, in the order in which they run.
        channels: Channels of the last one's output.
    """

    def __init__(self, variant: str, in_channels: int, channels: int, rngs: nnx.Rngs) -> None:
        self.rngs = rngs
        form, block, counts = VARIANTS[variant]
        self.channels = 4 * channels if form == "A" else channels
        self.layers = self._stem(form, in_channels)
        stages = _STAGES_A if form == "A" else _STAGES
        for number, (count, (factor, stride, dilation)) in enumerate(zip(counts, stages, strict=True), 1):
            planes = factor * channels
            if form == "A":
                layers = self._blocks(block, planes, count, stride, dilation, first_dilation=1)
            elif 3 <= number <= 6:
                layers = self._blocks(block, planes, count, stride, dilation)
            elif form == "C":
                # The last two stages have no shortcuts, which would carry the gridding on.
                layers = self._blocks(partial(_BasicBlock, residual=number < 7), planes, count, stride, dilation)
            else:
                layers = self._convolutions(planes, count, stride, dilation)
            self.layers[f"layer{number}"] = Sequential(layers)

    def _stem(self, form: str, in_channels: int) -> dict[str, nnx.Module]:
        stride = 2 if form == "A" else 1
        conv = _conv(in_channels, self.channels, taps=7, stride=stride, rngs=self.rngs)
        layers = {"conv1": conv, "bn1": BatchNorm(self.channels), "relu": ReLU()}
        if form == "D":
            return {"layer0": Sequential(layers.values())}
        return layers | ({"maxpool": MaxPool((3, 3), stride=2, padding=1)} if form == "A" else {})

    def _blocks(
        self, block: Any, planes: int, count: int, stride: int, dilation: int, *, first_dilation: int | None = None
    ) -> list[nnx.Module]:
        blocks: list[nnx.Module] = []
        for place in range(count):
            rate = first_dilation if place == 0 and first_dilation is not None else dilation
            step = stride if place == 0 else 1
            made = block(self.channels, planes, stride=step, dilation=rate, rngs=self.rngs)
            self.channels = planes * made.expansion
            blocks.append(made)
        return blocks

    def _convolutions(self, channels: int, count: int, stride: int, dilation: int) -> list[nnx.Module]:
        layers: list[nnx.Module] = []
        for place in range(count):
            step = stride if place == 0 else 1
            layers.append(_conv(self.channels, channels, stride=step, dilation=dilation, rngs=self.rngs))
            layers += [BatchNorm(channels), ReLU()]
            self.channels = channels
        return layers


class DRN(nnx.Module):
    """A dilated residual network that classifies images: A, ResNet dilated; C, degridded; D, simplified.

    The keys are those of the published PyTorch code: ``conv1``, ``bn1`` or ``layer0``, ``layer1`` to ``layer8``,
    ``fc``.

    Args:
        config: What it looks like.
        variant: Its name, e.g. ``"drn_d_22"``.
        rngs: Where initial values come from; the distributions are the published code's.

    Attributes:
        example_size: Height and width of a small input.

    Source: Yu, Koltun and Funkhouser, "Dilated Residual Networks", 2017.
    """

    def __init__(self, config: DRNConfig, *, variant: str, rngs: nnx.Rngs) -> None:
        self.config = config
        form = VARIANTS[variant][0]
        if form == "A" and config.out_map:
            raise ArgumentError(
                "DRN", "out_map", True, f"is no option of {variant}, whose fc takes a vector",
                "take a DRN of form C or D",
            )  # fmt: skip
        self.flat = form == "A"
        self.example_size = (8 * config.pool_size, 8 * config.pool_size)
        trunk = _Trunk(variant, config.in_channels, config.channels, rngs)
        self.trunk = attach(self, trunk.layers)
        pool_size = (config.pool_size, config.pool_size)
        self.avgpool = AvgPool(pool_size, stride=1 if self.flat else None)
        if self.flat:
            self.fc: Any = Linear(trunk.channels, config.num_classes, rngs=rngs)
        else:
            self.fc = Conv(trunk.channels, config.num_classes, (1, 1), kernel_init=_INIT, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to logits ``(N, num_classes)``, or maps of them with ``out_map``.

        Of an input larger than the pooling's window, C and D give one vector with the logits of all windows, the class
        as the slowest index; A takes one size only.
        """
        y = run(self, self.trunk, x)
        if self.config.out_map:
            return self.fc(y)
        y = self.avgpool(y)
        if self.flat:
            return self.fc(jnp.moveaxis(y, -1, 1).reshape(len(y), -1))
        return jnp.moveaxis(self.fc(y), -1, 1).reshape(len(y), -1)


class DRNSeg(nnx.Module):
    """A dilated residual network that labels each pixel.

    The keys are those of the published PyTorch code: ``base.0.0.weight``, …, ``seg.weight``, ``up.weight``.

    Args:
        config: What it looks like.
        rngs: Where initial values come from; the distributions are the published code's.

    Attributes:
        example_size: Height and width of a small input.

    Source: Yu, Koltun and Funkhouser, "Dilated Residual Networks", 2017, section 5.
    """

    example_size = (33, 43)

    def __init__(self, config: DRNSegConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        trunk = _Trunk(config.base, config.in_channels, config.channels, rngs)
        self.base = Sequential(trunk.layers.values())
        self.seg = Conv(
            trunk.channels, config.num_classes, (1, 1), kernel_init=_INIT, bias_init=nnx.initializers.zeros, rngs=rngs
        )
        self.softmax = LogSoftmax(-1)
        if config.upsampling == "transposed":
            self.up: nnx.Module = fixed_upsampling(config.num_classes, rngs=rngs)
        else:
            self.up = Upsample(scale_factor=8, mode="bilinear", align_corners=True)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Label pixels.

        Args:
            x: Images ``(N, H, W, in_channels)``.

        Returns:
            Logarithms of probabilities, ``(N, 8 * h, 8 * w, num_classes)``, and the logits that they come from,
            ``(N, h, w, num_classes)``, where h is H / 8 and w is W / 8, rounded up.
        """
        logits = self.seg(self.base(x))
        return self.softmax(self.up(logits)), logits


#: Configuration and builder of each name.
MODELS: dict[str, tuple[type[Any], Any]] = {
    **{name: (DRNConfig, partial(DRN, variant=name)) for name in VARIANTS},
    "drn_seg": (DRNSegConfig, DRNSeg),
}
