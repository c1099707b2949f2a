"""Atrous spatial pyramid pooling: one feature map seen at several dilations."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import is_integer
from .activation import ReLU
from .checks import positive
from .containers import Sequential
from .convolution import Conv
from .dropout import Dropout
from .normalization import BatchNorm
from .pooling import AdaptiveAvgPool
from .separable import SeparableConv


class Aspp(nnx.Module):
    """Atrous spatial pyramid pooling: a 1x1 convolution, 3x3 ones of several dilations, and the mean of the whole map.

    Each of these branches has a batch normalisation and a ReLU; a last 1x1 convolution projects all of them together.
    The keys are those of torchvision's ``ASPP``.

    Args:
        in_channels: Channels of the input.
        dilations: One for each 3x3 convolution.
        out_channels: Channels of each branch and of the output.
        dropout: Share of the output that is dropped in training, from 0 to 1.
        separable: Whether the 3x3 convolutions are :class:`dilax.nn.SeparableConv`, as in DeepLabV3+.
        rngs: Where initial values and dropout masks come from.

    Raises:
        ArgumentError: A number is below 1, or ``dropout`` is outside [0, 1].

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017, section 3.3; separable:
    Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", 2018, section 3.1.
    """

    def __init__(
        self,
        in_channels: int,
        dilations: Sequence[int] = (12, 24, 36),
        *,
        out_channels: int = 256,
        dropout: float = 0.5,
        separable: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        positive("Aspp", in_channels=in_channels, out_channels=out_channels)
        rates = check_dilations("Aspp", dilations)
        wide = SeparableConv if separable else Conv
        convolutions: list[nnx.Module] = [Conv(in_channels, out_channels, (1, 1), bias=False, rngs=rngs)]
        convolutions += [
            wide(in_channels, out_channels, (3, 3), padding=rate, dilation=rate, bias=False, rngs=rngs)
            for rate in rates
        ]
        branches = [Sequential([conv, BatchNorm(out_channels), ReLU()]) for conv in convolutions]
        self.convs = nnx.List([*branches, AsppPooling(in_channels, out_channels, rngs=rngs)])
        self.project = Sequential([
            Conv(len(self.convs) * out_channels, out_channels, (1, 1), bias=False, rngs=rngs),
            BatchNorm(out_channels),
            ReLU(),
            Dropout(dropout, rngs=rngs),
        ])  # fmt: skip

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H, W, out_channels)``."""
        return self.project(jnp.concatenate([branch(x) for branch in self.convs], axis=-1))


class AsppPooling(Sequential):
    """The branch of an :class:`Aspp` that sees the mean of the whole map, and says the same everywhere.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        rngs: Where the initial values come from.
    """

    def __init__(self, in_channels: int, out_channels: int, *, rngs: nnx.Rngs) -> None:
        super().__init__([
            AdaptiveAvgPool((1, 1)),
            Conv(in_channels, out_channels, (1, 1), bias=False, rngs=rngs),
            BatchNorm(out_channels),
            ReLU(),
        ])  # fmt: skip

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H, W, out_channels)``."""
        pooled = super().__call__(x)  # one sample, which a bilinear resize, as torchvision has here, repeats
        return jnp.broadcast_to(pooled, (*x.shape[:-1], pooled.shape[-1]))


def check_dilations(function: str, dilations: Sequence[int], *, name: str = "dilations") -> tuple[int, ...]:
    """The dilations as a tuple.

    Args:
        function: Who asks, for the message.
        dilations: What was received.
        name: The argument's name, for the message.

    Raises:
        ArgumentError: They are no sequence, none, or one of them is no positive integer.
    """
    fix = "pass positive integers, e.g. (6, 12, 18)"
    if not isinstance(dilations, Sequence) or isinstance(dilations, str | bytes) or not dilations:
        raise ArgumentError(function, name, dilations, "holds no dilation", fix)
    wrong = [rate for rate in dilations if not is_integer(rate) or rate < 1]
    if wrong:
        raise ArgumentError(function, name, tuple(dilations), f"contains {wrong[0]!r}", fix)
    return tuple(dilations)
