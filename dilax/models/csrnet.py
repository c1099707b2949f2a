"""CSRNet: counts crowds by a map of density, from VGG's first layers and dilated convolutions."""

from dataclasses import dataclass

import jax
from flax import nnx

from ..nn import Conv, MaxPool, ReLU, Sequential
from ..nn.checks import positive
from .vgg import vgg_channels, vgg_stage

#: Channels of the dilated convolutions, over those of the first layer.
_BACKEND = (8, 8, 8, 4, 2, 1)


@dataclass(frozen=True)
class CSRNetConfig:
    """What a CSRNet looks like.

    Args:
        in_channels: Channels of the input.
        num_classes: Channels of the output, a map of density for each kind of thing that is counted.
        channels: Channels of the first layer, which all others are multiples of.
    """

    in_channels: int = 3
    num_classes: int = 1
    channels: int = 64

    def __post_init__(self) -> None:
        positive("CSRNet", in_channels=self.in_channels, num_classes=self.num_classes, channels=self.channels)


class CSRNet(nnx.Module):
    """The first ten convolutions of VGG-16, six of dilation 2, and one of 1x1 to the density.

    The keys are those of the published PyTorch code: ``frontend.0.weight``, ``backend.0.weight``,
    ``output_layer.weight``.

    Args:
        config: What it looks like.
        rngs: Where initial values come from: normal with deviation 0.01, biases 0, as published; the published training
            begins with the front end of a VGG trained on ImageNet.

    Attributes:
        example_size: Height and width of a small input.

    Source: Li et al., "CSRNet: Dilated Convolutional Neural Networks for Understanding the Highly Congested Scenes",
    2018, network B.
    """

    example_size = (33, 43)

    def __init__(self, config: CSRNetConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        kernel_init, bias_init = nnx.initializers.normal(0.01), nnx.initializers.zeros
        layers: list[nnx.Module] = []
        width = config.in_channels
        for number in range(1, 5):
            before, width = width, vgg_channels(number, config.channels)
            stage = vgg_stage(number, before, width, kernel_init=kernel_init, bias_init=bias_init, rngs=rngs)
            layers += stage.values()
            if number < 4:
                layers.append(MaxPool((2, 2)))
        self.frontend = Sequential(layers)
        layers = []
        for factor in _BACKEND:
            before, width = width, factor * config.channels
            layers.append(
                Conv(
                    before, width, (3, 3), padding=2, dilation=2,
                    kernel_init=kernel_init, bias_init=bias_init, rngs=rngs,
                )
            )  # fmt: skip
            layers.append(ReLU())
        self.backend = Sequential(layers)
        self.output_layer = Conv(
            width, config.num_classes, (1, 1), kernel_init=kernel_init, bias_init=bias_init, rngs=rngs
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to densities ``(N, H // 8, W // 8, num_classes)``."""
        return self.output_layer(self.backend(self.frontend(x)))
