"""Layers that only move numbers: between channels and space, among channels, between images and their windows."""

import jax
from flax import nnx

from .. import ops
from ..errors import ArgumentError
from ..ops.arguments import per_axis
from ..ops.fold import IntOrPair, count_windows, resolve_patches
from ..ops.shuffle import check_factor
from .batching import batched


class PixelShuffle(nnx.Module):
    """Spreads groups of channels over squares of pixels, as ``torch.nn.PixelShuffle``.

    Args:
        upscale_factor: Side of a square.

    Raises:
        ArgumentError: The factor is no positive integer.
    """

    def __init__(self, upscale_factor: int) -> None:
        check_factor("PixelShuffle", "upscale_factor", upscale_factor)
        self.upscale_factor = upscale_factor

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(..., H, W, C * upscale_factor**2)`` to ``(..., H * upscale_factor, W * upscale_factor, C)``."""
        return ops.pixel_shuffle(x, self.upscale_factor)


class PixelUnshuffle(nnx.Module):
    """Gathers squares of pixels into channels, as ``torch.nn.PixelUnshuffle``.

    Args:
        downscale_factor: Side of a square.

    Raises:
        ArgumentError: The factor is no positive integer.
    """

    def __init__(self, downscale_factor: int) -> None:
        check_factor("PixelUnshuffle", "downscale_factor", downscale_factor)
        self.downscale_factor = downscale_factor

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(..., H, W, C)`` to ``(..., H / downscale_factor, W / downscale_factor, C * downscale_factor**2)``."""
        return ops.pixel_unshuffle(x, self.downscale_factor)


class ChannelShuffle(nnx.Module):
    """Deals the channels of each group out over all groups, as ``torch.nn.ChannelShuffle``.

    Args:
        groups: Number of groups.

    Raises:
        ArgumentError: ``groups`` is no positive integer.
    """

    def __init__(self, groups: int) -> None:
        check_factor("ChannelShuffle", "groups", groups)
        self.groups = groups

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to the same shape."""
        return ops.channel_shuffle(x, self.groups)


class Unfold(nnx.Module):
    """Lays the windows of images out, as ``torch.nn.Unfold``.

    Args:
        kernel_size: Samples of a window; an integer or one for each of 2 axes.
        dilation: Distance between the samples of a window.
        padding: Zeros at both ends of each axis.
        stride: Distance between windows.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self,
        kernel_size: IntOrPair,
        *,
        dilation: IntOrPair = 1,
        padding: IntOrPair = 0,
        stride: IntOrPair = 1,
    ) -> None:
        self.kernel_size, self.dilation, self.padding, self.stride = resolve_patches(
            "Unfold", kernel_size, dilation, padding, stride
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, C)`` to ``(N, L, C * samples)``; N may be missing."""
        return batched("Unfold", 2, self._unfold, x)

    def _unfold(self, x: jax.Array) -> jax.Array:
        return ops.unfold(x, self.kernel_size, dilation=self.dilation, padding=self.padding, stride=self.stride)


class Fold(nnx.Module):
    """Adds windows up into images, as ``torch.nn.Fold``.

    Args:
        output_size: Height and width of the images; an integer or a pair.
        kernel_size: As for :class:`Unfold`, as all that follow.
        dilation: As there.
        padding: As there.
        stride: As there.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self,
        output_size: IntOrPair,
        kernel_size: IntOrPair,
        *,
        dilation: IntOrPair = 1,
        padding: IntOrPair = 0,
        stride: IntOrPair = 1,
    ) -> None:
        self.output_size = per_axis("Fold", "output_size", output_size, axes=2)
        self.kernel_size, self.dilation, self.padding, self.stride = resolve_patches(
            "Fold", kernel_size, dilation, padding, stride
        )
        windows = (self.kernel_size, self.dilation, self.padding, self.stride)
        count_windows("Fold", "output_size", output_size, self.output_size, *windows)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, L, C * samples)`` to ``(N, *output_size, C)``; N may be missing."""
        if x.ndim not in (2, 3):
            raise ArgumentError("Fold", "x", x.shape, "holds no windows", "pass (N, L, C * samples)")
        return batched("Fold", 1, self._fold, x)

    def _fold(self, x: jax.Array) -> jax.Array:
        return ops.fold(
            x,
            self.output_size,
            self.kernel_size,
            dilation=self.dilation,
            padding=self.padding,
            stride=self.stride,
        )
