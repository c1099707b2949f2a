"""MobileNetV2 and V3 as timm has them: the mathematics of torchvision's under other keys, with other dilations."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
from flax import nnx

from .. import ops
from ..mobilenets import V2_STAGES, V3Block, round_channels
from ..nn import BatchNorm, Conv, Dropout, Hardsigmoid, Hardswish, Identity, Linear, ReLU, ReLU6, Sequential
from ..nn.checks import positive, share
from ..nn.initial import gaussian, symmetric
from .mobilenet import block_geometry, check_output_stride
from .mobilenet_v3 import lookup


@dataclass(frozen=True)
class TimmMobileNetConfig:
    """What one of timm's MobileNets looks like, besides its name.

    Args:
        in_channels: Channels of the input.
        output_stride: Pixels of the input to one of the last feature map: 8, 16 or 32. Where it is below 32, the last
            stages have dilations in place of strides, and the first block of such a stage keeps the dilation before it.
        num_classes: Scores of the output.
        dropout: Share of the last layer's input that is dropped in training, from 0 to 1.
    """

    in_channels: int = 3
    output_stride: int = 32
    num_classes: int = 1000
    dropout: float = 0.0

    def __post_init__(self) -> None:
        positive("TimmMobileNet", in_channels=self.in_channels, num_classes=self.num_classes)
        check_output_stride("TimmMobileNet", self.output_stride)
        share("TimmMobileNet", "dropout", self.dropout)


class NormActivation(BatchNorm):
    """A batch normalisation with an activation behind it, timm's ``BatchNormAct2d``.

    Args:
        num_features: Channels.
        activation: What follows, if anything.
    """

    def __init__(self, num_features: int, activation: Any = None) -> None:
        super().__init__(num_features)
        self.act = activation

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, num_features)`` to the same shape."""
        y = super().__call__(x)
        return y if self.act is None else self.act(y)


class SqueezeExcite(nnx.Module):
    """Multiplies each channel by a weight from 0 to 1 that a small network gives the means of all, as in timm.

    Args:
        channels: Channels of the input and of the output.
        rngs: Where the initial values come from.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        squeezed = round_channels(channels / 4)
        self.conv_reduce = _conv(channels, squeezed, bias=True, rngs=rngs)
        self.act1 = ReLU()
        self.conv_expand = _conv(squeezed, channels, bias=True, rngs=rngs)
        self.gate = Hardsigmoid()

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, channels)`` to the same shape."""
        means = ops.adaptive_avg_pool(x, (1, 1))
        return x * self.gate(self.conv_expand(self.act1(self.conv_reduce(means))))


class DepthwiseSeparable(nnx.Module):
    """A depthwise convolution and one of 1x1, perhaps beside the identity: timm's block without an expansion.

    Args:
        in_channels: Channels of the input.
        block: What it looks like.
        activation: Which activation it has.
        stride: Of the depthwise convolution.
        dilation: Of the depthwise convolution.
        rngs: Where the initial values come from.
    """

    def __init__(
        self, in_channels: int, block: V3Block, *, activation: Any, stride: int, dilation: int, rngs: nnx.Rngs
    ) -> None:
        self.residual = stride == 1 and in_channels == block.channels
        self.conv_dw = _depthwise(in_channels, block.kernel_size, stride=stride, dilation=dilation, rngs=rngs)
        self.bn1 = NormActivation(in_channels, activation())
        self.se = SqueezeExcite(in_channels, rngs=rngs) if block.squeeze else Identity()
        self.conv_pw = _conv(in_channels, block.channels, rngs=rngs)
        self.bn2 = NormActivation(block.channels)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H', W', block.channels)``, H' being H / stride, rounded up."""
        y = self.bn2(self.conv_pw(self.se(self.bn1(self.conv_dw(x)))))
        return x + y if self.residual else y


class InvertedResidual(nnx.Module):
    """A 1x1 convolution to more channels, a depthwise one, and a 1x1 one to fewer, perhaps beside the identity.

    Args:
        in_channels: As for :class:`DepthwiseSeparable`, as the others.
        block: As there.
        activation: As there.
        stride: As there.
        dilation: As there.
        rngs: As there.
    """

    def __init__(
        self, in_channels: int, block: V3Block, *, activation: Any, stride: int, dilation: int, rngs: nnx.Rngs
    ) -> None:
        self.residual = stride == 1 and in_channels == block.channels
        self.conv_pw = _conv(in_channels, block.width, rngs=rngs)
        self.bn1 = NormActivation(block.width, activation())
        self.conv_dw = _depthwise(block.width, block.kernel_size, stride=stride, dilation=dilation, rngs=rngs)
        self.bn2 = NormActivation(block.width, activation())
        self.se = SqueezeExcite(block.width, rngs=rngs) if block.squeeze else Identity()
        self.conv_pwl = _conv(block.width, block.channels, rngs=rngs)
        self.bn3 = NormActivation(block.channels)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H', W', block.channels)``, H' being H / stride, rounded up."""
        y = self.bn2(self.conv_dw(self.bn1(self.conv_pw(x))))
        y = self.bn3(self.conv_pwl(self.se(y)))
        return x + y if self.residual else y


class ConvNorm(nnx.Module):
    """A 1x1 convolution, a batch normalisation and a hardswish: timm's ``ConvBnAct``, of which one ends a MobileNetV3.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        rngs: Where the initial values come from.
    """

    def __init__(self, in_channels: int, out_channels: int, *, rngs: nnx.Rngs) -> None:
        self.conv = _conv(in_channels, out_channels, rngs=rngs)
        self.bn1 = NormActivation(out_channels, Hardswish())

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H, W, out_channels)``."""
        return self.bn1(self.conv(x))


class TimmMobileNet(nnx.Module):
    """What timm's MobileNets begin with: a convolution of stride 2 and stages of blocks.

    Args:
        stages: Of blocks.
        config: What it looks like.
        stem: Channels of the first convolution.
        activation: Of the first convolution.
        activations: Of each block.
        rngs: Where initial values and dropout masks come from.

    Attributes:
        ends: Keys of the layers that :meth:`feature_maps` gives the outputs of: the last of each resolution.
        example_size: Height and width of a small input.
    """

    example_size = (65, 73)

    def __init__(
        self,
        stages: Sequence[Sequence[V3Block]],
        config: TimmMobileNetConfig,
        *,
        stem: int,
        activation: Any,
        activations: Iterable[Any],
        rngs: nnx.Rngs,
    ) -> None:
        self.config = config
        self.conv_stem = _conv(config.in_channels, stem, 3, stride=2, rngs=rngs)
        self.bn1 = NormActivation(stem, activation())
        strides = [block.stride for stage in stages for block in stage]
        geometry = iter(block_geometry(strides, config.output_stride, delayed=True))
        chosen, channels = iter(activations), stem
        self.blocks = Sequential()
        for stage in stages:
            blocks: list[nnx.Module] = []
            for block in stage:
                make = DepthwiseSeparable if block.width == channels else InvertedResidual
                stride, dilation = next(geometry)
                blocks.append(
                    make(channels, block, activation=next(chosen), stride=stride, dilation=dilation, rngs=rngs)
                )
                channels = block.channels
            self.blocks.append(Sequential(blocks))
        names = ("bn1", *(f"blocks.{number}" for number in range(len(stages))))
        self.ends = tuple(name for name, stage in zip(names, stages, strict=False) if stage[0].stride == 2)
        self.dropout = Dropout(config.dropout, rngs=rngs) if config.dropout else None

    def feature_maps(self, x: jax.Array) -> dict[str, jax.Array]:
        """Map ``(N, H, W, in_channels)`` to the outputs of the layers ``ends`` and of the last stage, by their keys."""
        x = self.bn1(self.conv_stem(x))
        maps = {"bn1": x}
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            maps[f"blocks.{number}"] = x
        return {name: maps[name] for name in (*self.ends, f"blocks.{len(self.blocks) - 1}")}

    def _features(self, x: jax.Array) -> jax.Array:
        return self.blocks(self.bn1(self.conv_stem(x)))

    def _dropped(self, x: jax.Array) -> jax.Array:
        return x if self.dropout is None else self.dropout(x)


class TimmMobileNetV2(TimmMobileNet):
    """timm's ``mobilenetv2_100``; the keys are timm's.

    Args:
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Differs from PyTorch: channels are last.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018.
    """

    def __init__(self, config: TimmMobileNetConfig, *, rngs: nnx.Rngs) -> None:
        stages, channels = [], 32
        for stage in V2_STAGES:
            blocks = []
            for place in range(stage.blocks):
                stride = stage.stride if place == 0 else 1
                blocks.append(V3Block(3, channels * stage.expansion, stage.channels, stride))
                channels = stage.channels
            stages.append(blocks)
        count = sum(map(len, stages))
        super().__init__(stages, config, stem=32, activation=ReLU6, activations=[ReLU6] * count, rngs=rngs)
        self.conv_head = _conv(channels, 1280, rngs=rngs)
        self.bn2 = NormActivation(1280, ReLU6())
        self.classifier = _scores(1280, config.num_classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to logits ``(N, num_classes)``."""
        x = self.bn2(self.conv_head(self._features(x)))
        return self.classifier(self._dropped(ops.adaptive_avg_pool(x, (1, 1)).reshape(x.shape[0], -1)))


class TimmMobileNetV3(TimmMobileNet):
    """timm's ``mobilenetv3_large_100`` and ``mobilenetv3_small_100``; the keys are timm's.

    Args:
        architecture: ``mobilenet_v3_large`` or ``mobilenet_v3_small``.
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Raises:
        ArgumentError: There is no such architecture.

    Differs from PyTorch: channels are last; timm has an ``output_stride`` below 32 without the classifier alone.

    Source: Howard et al., "Searching for MobileNetV3", 2019.
    """

    def __init__(self, architecture: str, config: TimmMobileNetConfig, *, rngs: nnx.Rngs) -> None:
        found = lookup(architecture)
        activations = [Hardswish if block.hard else ReLU for block in found.blocks]
        super().__init__(found.stages, config, stem=16, activation=Hardswish, activations=activations, rngs=rngs)
        channels = found.blocks[-1].channels
        self.blocks.append(Sequential([ConvNorm(channels, 6 * channels, rngs=rngs)]))
        self.conv_head = _conv(6 * channels, found.hidden_channels, bias=True, rngs=rngs)
        self.act2 = Hardswish()
        self.classifier = _scores(found.hidden_channels, config.num_classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to logits ``(N, num_classes)``."""
        x = ops.adaptive_avg_pool(self._features(x), (1, 1))
        return self.classifier(self._dropped(self.act2(self.conv_head(x)).reshape(x.shape[0], -1)))


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    rngs: nnx.Rngs,
) -> Conv:
    deviation = math.sqrt(2 / (kernel_size**2 * out_channels // groups))
    return Conv(
        in_channels, out_channels, (kernel_size, kernel_size), stride=stride, dilation=dilation, groups=groups,
        padding=dilation * (kernel_size // 2), bias=bias, kernel_init=gaussian(deviation),
        bias_init=nnx.initializers.zeros, rngs=rngs,
    )  # fmt: skip


def _depthwise(channels: int, kernel_size: int, *, stride: int, dilation: int, rngs: nnx.Rngs) -> Conv:
    return _conv(channels, channels, kernel_size, stride=stride, dilation=dilation, groups=channels, rngs=rngs)


def _scores(in_features: int, num_classes: int, *, rngs: nnx.Rngs) -> Linear:
    spread = symmetric(1 / math.sqrt(num_classes))
    return Linear(in_features, num_classes, kernel_init=spread, bias_init=nnx.initializers.zeros, rngs=rngs)


#: Configuration and builder by name.
MODELS: dict[str, tuple[type[Any], Any]] = {
    "timm_mobilenetv2_100": (TimmMobileNetConfig, TimmMobileNetV2),
    "timm_mobilenetv3_large_100": (TimmMobileNetConfig, partial(TimmMobileNetV3, "mobilenet_v3_large")),
    "timm_mobilenetv3_small_100": (TimmMobileNetConfig, partial(TimmMobileNetV3, "mobilenet_v3_small")),
}
