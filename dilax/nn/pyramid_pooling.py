"""Pyramid pooling: one feature map seen as means over grids of several sizes."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from .. import ops
from ..errors import ArgumentError
from ..ops.arguments import is_integer
from .activation import ReLU
from .checks import positive
from .containers import Sequential
from .convolution import Conv
from .linear import Identity
from .normalization import BatchNorm
from .pooling import AdaptiveAvgPool


class PyramidPooling(nnx.Module):
    """Means of a map over grids of several sizes, each resized to the map's own size, and the map itself.

    The keys are those of segmentation_models_pytorch's ``PSPModule``: ``blocks.0.pool.1.0.weight`` and so on.

    Args:
        in_channels: Channels of the input.
        sizes: For each grid, how many cells it has along an axis.
        batch_norm: Whether each 1x1 convolution has a batch normalisation in place of a bias; after a grid of one cell,
            which may have one number for each channel, it has a bias all the same.
        kernel_init: What the kernels begin with, as for :class:`dilax.nn.Conv`.
        bias_init: The same of the biases.
        rngs: Where the initial values come from.

    Attributes:
        out_channels: Channels of the output: those of the input, and ``in_channels // len(sizes)`` for each grid.

    Raises:
        ArgumentError: A number is below 1, or there are more grids than channels.

    Differs from the paper: the map of a grid is resized with its corner samples at the corners of the result
    (``align_corners=True``), as in the published code.

    Source: Zhao et al., "Pyramid Scene Parsing Network", 2017, section 3.2.
    """

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[int] = (1, 2, 3, 6),
        *,
        batch_norm: bool = True,
        kernel_init: nnx.Initializer | None = None,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        positive("PyramidPooling", in_channels=in_channels)
        _check_sizes(sizes, in_channels)
        channels = in_channels // len(sizes)
        self.out_channels = in_channels + channels * len(sizes)
        self.blocks = nnx.List([
            PyramidLevel(
                in_channels, channels, size=size, batch_norm=batch_norm and size > 1,
                kernel_init=kernel_init, bias_init=bias_init, rngs=rngs,
            )
            for size in sizes
        ])  # fmt: skip

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H, W, out_channels)``."""
        return jnp.concatenate([*(block(x) for block in self.blocks), x], axis=-1)


class PyramidLevel(nnx.Module):
    """One grid of a :class:`PyramidPooling`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        size: Cells along an axis.
        batch_norm: Whether there is a batch normalisation in place of a bias.
        kernel_init: As for :class:`PyramidPooling`, as the next one.
        bias_init: As there.
        rngs: Where the initial values come from.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        size: int,
        batch_norm: bool,
        kernel_init: nnx.Initializer | None,
        bias_init: nnx.Initializer | None,
        rngs: nnx.Rngs,
    ) -> None:
        conv = Conv(
            in_channels, out_channels, (1, 1), bias=not batch_norm,
            kernel_init=kernel_init, bias_init=bias_init, rngs=rngs,
        )  # fmt: skip
        norm = BatchNorm(out_channels) if batch_norm else Identity()
        self.pool = Sequential([AdaptiveAvgPool((size, size)), Sequential([conv, norm, ReLU()])])

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, in_channels)`` to ``(N, H, W, out_channels)``."""
        return ops.interpolate(self.pool(x), x.shape[1:-1], mode="bilinear", align_corners=True)


def _check_sizes(sizes: Sequence[int], in_channels: int) -> None:
    fix = "pass positive integers, e.g. (1, 2, 3, 6)"
    if not isinstance(sizes, Sequence) or isinstance(sizes, str) or not sizes:
        raise ArgumentError("PyramidPooling", "sizes", sizes, "holds no size", fix)
    wrong = [size for size in sizes if not is_integer(size) or size < 1]
    if wrong:
        raise ArgumentError("PyramidPooling", "sizes", tuple(sizes), f"contains {wrong[0]!r}", fix)
    if len(sizes) > in_channels:
        raise ArgumentError(
            "PyramidPooling", "sizes", tuple(sizes), f"has more grids than in_channels={in_channels}", "pass fewer"
        )
