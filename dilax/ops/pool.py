"""Pooling over windows, with PyTorch's arithmetic at the ends."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError
from .arguments import is_integer, per_axis
from .maxima import largest
from .sampling import Array, Taps, sample
from .sums import total
from .windows import adaptive, sliding

IntOrEach = int | Sequence[int]


def max_pool(
    x: jax.Array,
    kernel_size: IntOrEach,
    *,
    stride: IntOrEach | None = None,
    padding: IntOrEach = 0,
    dilation: IntOrEach = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest sample of each window.

    Among equals the gradient goes to the first, as in PyTorch. A NaN is larger than any number.

    Args:
        x: ``(N, *spatial, C)`` with 1 to 3 spatial axes.
        kernel_size: Samples of a window; an integer or one for each axis.
        stride: Distance between windows; ``kernel_size`` if None.
        padding: Samples put at both ends, less than any number; at most half of ``kernel_size``.
        dilation: Distance between the samples of a window.
        ceil_mode: Whether a last window may reach over the end.
        return_indices: Whether to give the places too.

    Returns:
        ``(N, *output, C)``; with ``return_indices``, and integers of that shape: where each sample lies in the
        flattened spatial axes.

    Raises:
        ArgumentError: An argument is out of range, or ``x`` is too short for a window.

    Differs from PyTorch: channels are last.

    >>> max_pool(jnp.asarray([3.0, 1.0, 4.0, 1.0])[None, :, None], 2)[0, :, 0].tolist()
    [3.0, 4.0]
    """
    axes = spatial_axes("max_pool", x)
    windows = resolve_windows("max_pool", axes, kernel_size, stride, padding, dilation)
    taps = [
        sliding("max_pool", x.shape, axis + 1, taps=size, stride=step, padding=ends, dilation=rate, ceil_mode=ceil_mode)
        for axis, (size, step, ends, rate) in enumerate(zip(*windows, strict=True))
    ]
    y, places = largest(x, taps, places=return_indices)
    return (y, places) if return_indices else y


def avg_pool(
    x: jax.Array,
    kernel_size: IntOrEach,
    *,
    stride: IntOrEach | None = None,
    padding: IntOrEach = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> jax.Array:
    """The mean of each window.

    Args:
        x: Floating ``(N, *spatial, C)`` with 1 to 3 spatial axes.
        kernel_size: Samples of a window; an integer or one for each axis.
        stride: Distance between windows; ``kernel_size`` if None.
        padding: Zeros at both ends, at most half of ``kernel_size``.
        ceil_mode: Whether a last window may reach over the end; what lies beyond the padding does not count.
        count_include_pad: Whether the padding's zeros count.
        divisor_override: What to divide each window's sum by instead of its count.

    Returns:
        ``(N, *output, C)``, of the dtype of ``x``.

    Raises:
        ArgumentError: An argument is out of range, or ``x`` is too short for a window.

    Differs from PyTorch: channels are last.
    """
    axes = spatial_axes("avg_pool", x)
    check_floating("avg_pool", x)
    check_divisor("avg_pool", divisor_override)
    sizes, steps, pads, _ = resolve_windows("avg_pool", axes, kernel_size, stride, padding, 1)
    if axes == 3 and any(length < size for length, size in zip(x.shape[1:-1], sizes, strict=True)):
        raise ArgumentError(  # a rule that PyTorch has for volumes alone
            "avg_pool", "x", x.shape, f"is smaller than a window of {sizes}", "pass a larger volume"
        )
    taps, counts = [], []
    for axis, (size, step, ends) in enumerate(zip(sizes, steps, pads, strict=True)):
        windows = sliding("avg_pool", x.shape, axis + 1, taps=size, stride=step, padding=ends, ceil_mode=ceil_mode)
        taps.append(windows)
        start = np.arange(windows.outputs) * step - ends
        padded = np.minimum(start + size, x.shape[axis + 1] + ends) - start
        counts.append(padded if count_include_pad else windows.used.sum(axis=0))
    return _means(x, taps, counts if divisor_override is None else [np.asarray([divisor_override])])


def lp_pool(
    x: jax.Array,
    norm_type: float,
    kernel_size: IntOrEach,
    *,
    stride: IntOrEach | None = None,
    ceil_mode: bool = False,
) -> jax.Array:
    r"""The power mean of each window, times its size to the power of :math:`1 / p`: :math:`(\sum x^p)^{1/p}`.

    Args:
        x: Floating ``(N, *spatial, C)`` with 1 to 3 spatial axes.
        norm_type: The power :math:`p`, not 0.
        kernel_size: Samples of a window; an integer or one for each axis.
        stride: Distance between windows; ``kernel_size`` if None.
        ceil_mode: Whether a last window may reach over the end; its sum is scaled up to a whole window's.

    Returns:
        ``(N, *output, C)``, of the dtype of ``x``; NaN where a root has no real value. Where a sum is 0, so is the
        gradient, as in PyTorch.

    Raises:
        ArgumentError: An argument is out of range, or ``x`` is too short for a window.

    Differs from PyTorch: channels are last.
    """
    axes = spatial_axes("lp_pool", x)
    check_floating("lp_pool", x)
    if norm_type == 0:
        raise ArgumentError("lp_pool", "norm_type", norm_type, "has no root", "pass another number")
    power = int(norm_type) if float(norm_type).is_integer() and abs(norm_type) <= 8 else norm_type
    means = avg_pool(x**power, kernel_size, stride=stride, ceil_mode=ceil_mode)
    count = int(np.prod(per_axis("lp_pool", "kernel_size", kernel_size, axes=axes)))
    nothing = means == 0
    root = (jnp.where(nothing, 1, means) * count) ** (1 / norm_type)
    return jnp.where(nothing, means if norm_type > 0 else 1 / means, root)


def adaptive_avg_pool(x: jax.Array, output_size: int | Sequence[int | None]) -> jax.Array:
    """The means of windows that cover the spatial axes evenly, overlapping where they must.

    Args:
        x: Floating ``(N, *spatial, C)`` with 1 to 3 spatial axes.
        output_size: Windows along each axis; None leaves the axis as it is.

    Returns:
        ``(N, *output_size, C)``, of the dtype of ``x``.

    Raises:
        ArgumentError: ``output_size`` does not fit ``x``, or an axis of ``x`` is empty.

    Differs from PyTorch: channels are last.
    """
    check_floating("adaptive_avg_pool", x)
    taps = _adaptive_windows("adaptive_avg_pool", x, output_size)
    return _means(x, taps, [windows.used.sum(axis=0) for windows in taps])


def adaptive_max_pool(x: jax.Array, output_size: int | Sequence[int | None], *, return_indices: bool = False) -> Any:
    """The largest samples of windows that cover the spatial axes evenly, overlapping where they must.

    Args:
        x: ``(N, *spatial, C)`` with 1 to 3 spatial axes.
        output_size: Windows along each axis; None leaves the axis as it is.
        return_indices: As for :func:`max_pool`.

    Returns:
        As :func:`max_pool`.

    Raises:
        ArgumentError: ``output_size`` does not fit ``x``, or an axis of ``x`` is empty.

    Differs from PyTorch: channels are last.
    """
    taps = _adaptive_windows("adaptive_max_pool", x, output_size)
    y, places = largest(x, taps, places=return_indices)
    return (y, places) if return_indices else y


def _means(x: jax.Array, taps: Sequence[Taps], counts: Sequence[Array]) -> jax.Array:
    summed = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    single = tuple(axis + 1 for axis, windows in enumerate(taps) if windows.outputs == 1 and windows.used.all())
    for axis, windows in enumerate(taps):
        if axis + 1 in single:
            summed = summed[(slice(None),) * (axis + 1) + (slice(*_ends(windows)),)]
        else:
            summed = sample(summed, axis + 1, windows)
    if single:
        summed = jnp.expand_dims(total(summed, single), single)
    product = counts[0]
    for count in counts[1:]:
        product = product[..., None] * count
    return (summed / jnp.asarray(product[..., None], summed.dtype)).astype(x.dtype)


def _ends(windows: Taps) -> tuple[int, int]:
    return int(windows.index[0, 0]), int(windows.index[-1, 0]) + 1


def _adaptive_windows(function: str, x: jax.Array, output_size: Any) -> list[Taps]:
    axes = spatial_axes(function, x)
    sizes = resolve_output_size(function, output_size, axes)
    if 0 in x.shape[1:-1]:
        raise ArgumentError(function, "x", x.shape, "has an empty spatial axis", "pass a longer input")
    return [
        adaptive(length, length if size is None else size) for length, size in zip(x.shape[1:-1], sizes, strict=True)
    ]


def resolve_output_size(function: str, output_size: Any, axes: int) -> tuple[int | None, ...]:
    """Windows along each axis, checked.

    Args:
        function: Who asks, for the message.
        output_size: An integer for all axes, or an integer or None for each.
        axes: Number of spatial axes.

    Raises:
        ArgumentError: Wrong type, wrong length, or a negative entry.
    """
    if not isinstance(output_size, tuple | list):
        return per_axis(function, "output_size", output_size, axes=axes, least=0)
    # None stands for the axis's own length, so it passes the check as a length that does.
    known = [1 if size is None else size for size in output_size]
    filled = per_axis(function, "output_size", known, axes=axes, least=0)
    return tuple(None if size is None else full for size, full in zip(output_size, filled, strict=True))


def resolve_windows(
    function: str, axes: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, ...], ...]:
    """Size, stride, padding and dilation of the windows along each axis, checked.

    Args:
        function: Who asks, for the message.
        axes: Number of spatial axes.
        kernel_size: As for :func:`max_pool`, as all that follow.
        stride: As there.
        padding: As there.
        dilation: As there.

    Raises:
        ArgumentError: An argument is out of range.
    """
    sizes = per_axis(function, "kernel_size", kernel_size, axes=axes)
    steps = sizes if stride is None else per_axis(function, "stride", stride, axes=axes)
    pads = per_axis(function, "padding", padding, axes=axes, least=0)
    rates = per_axis(function, "dilation", dilation, axes=axes)
    for size, ends in zip(sizes, pads, strict=True):
        if ends > size // 2:
            raise ArgumentError(
                function, "padding", padding, f"is more than half of kernel_size={size}", "pass less padding"
            )
    return sizes, steps, pads, rates


def spatial_axes(function: str, x: jax.Array) -> int:
    """Number of spatial axes of ``(N, *spatial, C)``, 1 to 3."""
    if x.ndim not in (3, 4, 5):
        raise ArgumentError(
            function, "x", x.shape, "does not have 1, 2 or 3 spatial axes",
            "pass (N, *spatial, C), with a batch axis first and channels last",
        )  # fmt: skip
    return x.ndim - 2


def check_floating(function: str, x: jax.Array) -> None:
    """Raise an error unless ``x`` is of a floating dtype."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ArgumentError(function, "x", str(x.dtype), "is no floating dtype", "convert it with astype")


def check_divisor(function: str, divisor_override: int | None) -> None:
    """Raise an error if the divisor is 0, or no integer."""
    if divisor_override is not None and not is_integer(divisor_override):
        raise ArgumentError(function, "divisor_override", divisor_override, "is no integer", "pass one, or None")
    if divisor_override == 0:
        raise ArgumentError(function, "divisor_override", 0, "divides by nothing", "pass another integer, or None")
