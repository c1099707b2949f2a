"""Images as columns of windows, and back."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..errors import ArgumentError
from .arguments import per_axis
from .windows import pooled_length

IntOrPair = int | Sequence[int]


def unfold(
    x: jax.Array,
    kernel_size: IntOrPair,
    *,
    dilation: IntOrPair = 1,
    padding: IntOrPair = 0,
    stride: IntOrPair = 1,
) -> jax.Array:
    """Lay the windows of images out, one a row.

    Args:
        x: ``(N, H, W, C)``.
        kernel_size: Samples of a window; an integer or one for each axis.
        dilation: Distance between the samples of a window.
        padding: Zeros at both ends of each axis.
        stride: Distance between windows.

    Returns:
        ``(N, L, C * samples)`` for L windows, row by row; along the last axis PyTorch's order, the samples of the first
        channel first.

    Raises:
        ArgumentError: An argument is out of range, or the image is smaller than a window.

    Differs from PyTorch: channels are last, before (``C``) and after (``C * samples``).
    """
    sizes, rates, pads, steps = resolve_patches("unfold", kernel_size, dilation, padding, stride)
    if x.ndim != 4:
        raise ArgumentError("unfold", "x", x.shape, "is no batch of images", "pass (N, H, W, C)")
    counts = count_windows("unfold", "x", x.shape, x.shape[1:3], sizes, rates, pads, steps)
    x = jnp.pad(x, [(0, 0), *((ends, ends) for ends in pads), (0, 0)])
    taps = []
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            first = (row * rates[0], column * rates[1])
            last = tuple(f + (n - 1) * step + 1 for f, n, step in zip(first, counts, steps, strict=True))
            taps.append(lax.slice(x, (0, *first, 0), (x.shape[0], *last, x.shape[3]), (1, *steps, 1)))
    windows = jnp.stack(taps, axis=-1)
    return windows.reshape(x.shape[0], counts[0] * counts[1], -1)


def fold(
    x: jax.Array,
    output_size: IntOrPair,
    kernel_size: IntOrPair,
    *,
    dilation: IntOrPair = 1,
    padding: IntOrPair = 0,
    stride: IntOrPair = 1,
) -> jax.Array:
    """Add windows up into images: the transpose of :func:`unfold`.

    Args:
        x: ``(N, L, C * samples)``, as :func:`unfold` gives.
        output_size: Height and width of the images; an integer or a pair.
        kernel_size: As for :func:`unfold`, as all that follow.
        dilation: As there.
        padding: As there.
        stride: As there.

    Returns:
        ``(N, *output_size, C)``.

    Raises:
        ArgumentError: An argument is out of range, or ``x`` has not the windows of such images.

    Differs from PyTorch: channels are last, before and after.
    """
    sizes, rates, pads, steps = resolve_patches("fold", kernel_size, dilation, padding, stride)
    image = per_axis("fold", "output_size", output_size, axes=2)
    counts = count_windows("fold", "output_size", output_size, image, sizes, rates, pads, steps)
    samples = sizes[0] * sizes[1]
    if x.ndim != 3 or x.shape[1] != counts[0] * counts[1] or x.shape[2] % samples:
        raise ArgumentError(
            "fold", "x", x.shape, f"has not the windows of images of {image}",
            f"pass (N, {counts[0] * counts[1]}, C * {samples})",
        )  # fmt: skip
    windows = x.reshape(x.shape[0], *counts, -1, samples)
    total = jnp.zeros(
        (x.shape[0], *(n + 2 * ends for n, ends in zip(image, pads, strict=True)), windows.shape[3]), x.dtype
    )
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            first = (row * rates[0], column * rates[1])
            edges = [
                (f, size - f - (n - 1) * step - 1, step - 1)
                for f, size, n, step in zip(first, total.shape[1:3], counts, steps, strict=True)
            ]
            tap = windows[..., row * sizes[1] + column]
            total += lax.pad(tap, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    return total[:, pads[0] : pads[0] + image[0], pads[1] : pads[1] + image[1]]


def resolve_patches(
    function: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple[int, ...], ...]:
    """Size, dilation, padding and stride of the windows along both axes, checked.

    Args:
        function: Who asks, for the message.
        kernel_size: As for :func:`unfold`, as all that follow.
        dilation: As there.
        padding: As there.
        stride: As there.

    Raises:
        ArgumentError: An argument is out of range.
    """
    return (
        per_axis(function, "kernel_size", kernel_size, axes=2),
        per_axis(function, "dilation", dilation, axes=2),
        per_axis(function, "padding", padding, axes=2, least=0),
        per_axis(function, "stride", stride, axes=2),
    )


def count_windows(
    function: str, argument: str, value: Any, image: Any, sizes: Any, rates: Any, pads: Any, steps: Any
) -> tuple[int, ...]:
    """How many windows lie along each axis of an image.

    Args:
        function: Who asks, for the message.
        argument: Name of the argument that says how large the image is, for the message.
        value: What was passed for it.
        image: Height and width.
        sizes: Samples of a window along both axes, and alike dilation, padding and stride, as all that follow.
        rates: As there.
        pads: As there.
        steps: As there.

    Raises:
        ArgumentError: There is no window.
    """
    counts = tuple(
        pooled_length(length, taps=size, stride=step, padding=ends, dilation=rate)
        for length, size, rate, ends, step in zip(image, sizes, rates, pads, steps, strict=True)
    )
    if min(counts) < 1:
        raise ArgumentError(function, argument, value, "is smaller than a window", "pass larger images or more padding")
    return counts
