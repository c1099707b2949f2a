"""Channels moved into space and back, and among themselves."""

import jax
import jax.numpy as jnp

from ..errors import ArgumentError
from .arguments import is_integer


def pixel_shuffle(x: jax.Array, upscale_factor: int) -> jax.Array:
    """Spread groups of channels over squares of pixels.

    Args:
        x: ``(..., H, W, C * upscale_factor**2)``; the channels of one group lie side by side, row by row of its square.
        upscale_factor: Side of a square.

    Returns:
        ``(..., H * upscale_factor, W * upscale_factor, C)``.

    Raises:
        ArgumentError: The factor is below 1, or its square does not divide the channels.

    Differs from PyTorch: channels are last.

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
    Neural Network", 2016.
    """
    check_factor("pixel_shuffle", "upscale_factor", upscale_factor)
    height, width, channels = _image("pixel_shuffle", x)
    if channels % upscale_factor**2:
        raise ArgumentError(
            "pixel_shuffle", "upscale_factor", upscale_factor,
            f"has a square that does not divide the {channels} channels of x", "pass another factor",
        )  # fmt: skip
    kept = channels // upscale_factor**2
    parts = x.reshape(*x.shape[:-3], height, width, kept, upscale_factor, upscale_factor)
    parts = jnp.moveaxis(parts, (-5, -2, -4, -1, -3), (-5, -4, -3, -2, -1))
    return parts.reshape(*x.shape[:-3], height * upscale_factor, width * upscale_factor, kept)


def pixel_unshuffle(x: jax.Array, downscale_factor: int) -> jax.Array:
    """Gather squares of pixels into channels: the inverse of :func:`pixel_shuffle`.

    Args:
        x: ``(..., H, W, C)``.
        downscale_factor: Side of a square; divides H and W.

    Returns:
        ``(..., H / downscale_factor, W / downscale_factor, C * downscale_factor**2)``.

    Raises:
        ArgumentError: The factor is below 1 or does not divide the image.

    Differs from PyTorch: channels are last.
    """
    check_factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    height, width, channels = _image("pixel_unshuffle", x)
    if height % downscale_factor or width % downscale_factor:
        raise ArgumentError(
            "pixel_unshuffle", "downscale_factor", downscale_factor,
            f"does not divide an image of {(height, width)}", "pass another factor, or pad the image",
        )  # fmt: skip
    height, width = height // downscale_factor, width // downscale_factor
    parts = x.reshape(*x.shape[:-3], height, downscale_factor, width, downscale_factor, channels)
    parts = jnp.moveaxis(parts, (-5, -3, -1, -4, -2), (-5, -4, -3, -2, -1))
    return parts.reshape(*x.shape[:-3], height, width, channels * downscale_factor**2)


def channel_shuffle(x: jax.Array, groups: int) -> jax.Array:
    """Deal the channels of each group out over all groups.

    Args:
        x: ``(N, *spatial, C)``.
        groups: Number of groups; divides C.

    Returns:
        ``(N, *spatial, C)``: the first channel of each group, then the second of each, and so on.

    Raises:
        ArgumentError: ``groups`` does not divide the channels, or ``x`` has no spatial axis.

    Source: Zhang et al., "ShuffleNet", 2018.
    """
    check_factor("channel_shuffle", "groups", groups)
    if x.ndim < 3:
        raise ArgumentError("channel_shuffle", "x", x.shape, "has no spatial axis", "pass (N, *spatial, C)")
    if x.shape[-1] % groups:
        raise ArgumentError(
            "channel_shuffle", "groups", groups, f"does not divide the {x.shape[-1]} channels of x", "pass a divisor"
        )
    parts = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    return parts.swapaxes(-1, -2).reshape(x.shape)


def check_factor(function: str, argument: str, value: int) -> None:
    """Raise an error unless ``value`` is a positive integer."""
    if not is_integer(value) or value < 1:
        raise ArgumentError(function, argument, value, "is no positive integer", "pass one, e.g. 2")


def _image(function: str, x: jax.Array) -> tuple[int, int, int]:
    if x.ndim < 3:
        raise ArgumentError(function, "x", x.shape, "is no image", "pass (..., H, W, C)")
    height, width, channels = x.shape[-3:]
    return height, width, channels
