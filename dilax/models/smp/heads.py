"""What the models of segmentation_models_pytorch end with: a head for each pixel, and perhaps one for the image."""

from collections.abc import Callable
from functools import partial

import jax
from flax import nnx

from ...nn import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Conv,
    Dropout,
    Flatten,
    Identity,
    Linear,
    LogSoftmax,
    Sequential,
    Sigmoid,
    Softmax2d,
    Tanh,
    Upsample,
)
from ...nn.initial import uniform_fans

#: By segmentation_models_pytorch's name, what may be applied to an output.
ACTIVATIONS: dict[str, Callable[[], nnx.Module]] = {
    "sigmoid": Sigmoid,
    "softmax": Softmax2d,
    "softmax2d": Softmax2d,
    "logsoftmax": partial(LogSoftmax, -1),
    "tanh": Tanh,
}
#: By segmentation_models_pytorch's name, what may become of the map that a :class:`ClassificationHead` is given.
POOLINGS: dict[str, type[AdaptiveAvgPool] | type[AdaptiveMaxPool]] = {"avg": AdaptiveAvgPool, "max": AdaptiveMaxPool}


class Activation(nnx.Module):
    """One of :data:`ACTIVATIONS`, or none, at the path that it has in the reference.

    Args:
        name: Which; None for none.
    """

    def __init__(self, name: str | None) -> None:
        self.activation = Identity() if name is None else ACTIVATIONS[name]()

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.activation(x)


class SegmentationHead(Sequential):
    """A convolution to the classes, made larger.

    Args:
        in_channels: Channels of the input.
        classes: Channels of the output.
        kernel_size: Taps of the convolution along each axis, an odd number.
        upsampling: How many times larger the output is, with its corner samples at the corners of the convolution's.
        activation: As for :class:`Activation`.
        xavier: Whether the kernel begins as with ``torch.nn.init.xavier_uniform_`` and the bias with zeros; if not, as
            convolutions do.
        rngs: Where the initial values come from.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        kernel_size: int,
        upsampling: int,
        activation: str | None,
        xavier: bool,
        rngs: nnx.Rngs,
    ) -> None:
        conv = Conv(
            in_channels, classes, (kernel_size, kernel_size), padding=kernel_size // 2,
            kernel_init=uniform_fans if xavier else None,
            bias_init=nnx.initializers.zeros if xavier else None, rngs=rngs,
        )  # fmt: skip
        larger = Upsample(scale_factor=upsampling, mode="bilinear", align_corners=True)
        super().__init__([conv, larger if upsampling > 1 else Identity(), Activation(activation)])


class ClassificationHead(Sequential):
    """Scores of the whole image from the last feature map.

    Args:
        in_channels: Channels of the input.
        classes: Scores of the output.
        pooling: One of :data:`POOLINGS`.
        dropout: Share of the pooled numbers that is dropped in training, from 0 to 1.
        xavier: As for :class:`SegmentationHead`.
        rngs: Where initial values and dropout masks come from.
    """

    def __init__(
        self, in_channels: int, classes: int, *, pooling: str, dropout: float, xavier: bool, rngs: nnx.Rngs
    ) -> None:
        linear = Linear(
            in_channels, classes, kernel_init=uniform_fans if xavier else None,
            bias_init=nnx.initializers.zeros if xavier else None, rngs=rngs,
        )  # fmt: skip
        pool = POOLINGS[pooling]((1, 1))
        super().__init__([pool, Flatten(), Dropout(dropout, rngs=rngs), linear, Activation(None)])
