"""Pooling layers over :mod:`dilax.ops`."""

from collections.abc import Sequence
from typing import Any

import jax
from flax import nnx

from .. import ops
from ..errors import ArgumentError
from ..ops.arguments import flag
from ..ops.pool import check_divisor, resolve_output_size, resolve_windows
from .batching import axes_of, batched
from .checks import number


class MaxPool(nnx.Module):
    """The largest sample of each window, as ``torch.nn.MaxPool1d/2d/3d``.

    Args:
        kernel_size: Samples of a window along each spatial axis; its length says how many axes there are.
        stride: Distance between windows; an integer or one for each axis, ``kernel_size`` if None.
        padding: Samples put at both ends, less than any number; at most half of ``kernel_size``.
        dilation: Distance between the samples of a window.
        return_indices: Whether to give the places in the flattened spatial axes too, for :class:`MaxUnpool`.
        ceil_mode: Whether a last window may reach over the end.

    Raises:
        ArgumentError: An argument is out of range, or ``kernel_size`` is a bare integer.
    """

    def __init__(
        self,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        axes = axes_of("MaxPool", "kernel_size", kernel_size, example="(2, 2)")
        self.kernel_size, self.stride, self.padding, self.dilation = resolve_windows(
            "MaxPool", axes, kernel_size, stride, padding, dilation
        )
        flag("MaxPool", ceil_mode=ceil_mode)
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def __call__(self, x: jax.Array) -> Any:
        """Map ``(N, *spatial, C)`` to ``(N, *output, C)``, or to that and its indices; N may be missing."""
        return batched("MaxPool", len(self.kernel_size), self._pool, x)

    def _pool(self, x: jax.Array) -> Any:
        return ops.max_pool(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxUnpool(nnx.Module):
    """Puts samples back to where a :class:`MaxPool` took them from, as ``torch.nn.MaxUnpool1d/2d/3d``.

    Args:
        kernel_size: As it was for the pooling; its length says how many axes there are.
        stride: As it was.
        padding: As it was.

    Raises:
        ArgumentError: An argument is out of range, or ``kernel_size`` is a bare integer.

    Differs from PyTorch: as :func:`dilax.ops.max_unpool`.
    """

    def __init__(
        self,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
    ) -> None:
        axes = axes_of("MaxUnpool", "kernel_size", kernel_size, example="(2, 2)")
        self.kernel_size, self.stride, self.padding, _ = resolve_windows(
            "MaxUnpool", axes, kernel_size, stride, padding, 1
        )

    def __call__(self, x: jax.Array, indices: jax.Array, output_size: Sequence[int] | None = None) -> jax.Array:
        """Map ``(N, *spatial, C)`` and indices to ``(N, *output, C)``; N may be missing.

        Args:
            x: The samples.
            indices: Their places, as the pooling gave them.
            output_size: Length of each spatial axis of the output, where the stride leaves it open.
        """

        def unpool(x: jax.Array) -> jax.Array:
            places = indices.reshape(x.shape) if indices.size == x.size else indices
            return ops.max_unpool(
                x,
                places,
                self.kernel_size,
                stride=self.stride,
                padding=self.padding,
                output_size=output_size,
            )

        return batched("MaxUnpool", len(self.kernel_size), unpool, x)


class AvgPool(nnx.Module):
    """The mean of each window, as ``torch.nn.AvgPool1d/2d/3d``.

    Args:
        kernel_size: Samples of a window along each spatial axis; its length says how many axes there are.
        stride: Distance between windows; an integer or one for each axis, ``kernel_size`` if None.
        padding: Zeros at both ends, at most half of ``kernel_size``.
        ceil_mode: Whether a last window may reach over the end.
        count_include_pad: Whether the padding's zeros count.
        divisor_override: What to divide each window's sum by instead of its count.

    Raises:
        ArgumentError: An argument is out of range, or ``kernel_size`` is a bare integer.
    """

    def __init__(
        self,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        axes = axes_of("AvgPool", "kernel_size", kernel_size, example="(2, 2)")
        self.kernel_size, self.stride, self.padding, _ = resolve_windows(
            "AvgPool", axes, kernel_size, stride, padding, 1
        )
        check_divisor("AvgPool", divisor_override)
        flag("AvgPool", ceil_mode=ceil_mode, count_include_pad=count_include_pad)
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to ``(N, *output, C)``; N may be missing."""
        return batched("AvgPool", len(self.kernel_size), self._pool, x)

    def _pool(self, x: jax.Array) -> jax.Array:
        return ops.avg_pool(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
            divisor_override=self.divisor_override,
        )


class LPPool(nnx.Module):
    """The p-norm of each window, without absolute values, as ``torch.nn.LPPool1d/2d/3d``.

    Args:
        norm_type: The power p, not 0.
        kernel_size: Samples of a window along each spatial axis; its length says how many axes there are.
        stride: Distance between windows; an integer or one for each axis, ``kernel_size`` if None.
        ceil_mode: Whether a last window may reach over the end.

    Raises:
        ArgumentError: An argument is out of range, or ``kernel_size`` is a bare integer.
    """

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] | None = None,
        ceil_mode: bool = False,
    ) -> None:
        axes = axes_of("LPPool", "kernel_size", kernel_size, example="(2, 2)")
        self.kernel_size, self.stride, *_ = resolve_windows("LPPool", axes, kernel_size, stride, 0, 1)
        number("LPPool", norm_type=norm_type)
        flag("LPPool", ceil_mode=ceil_mode)
        if norm_type == 0:
            raise ArgumentError("LPPool", "norm_type", norm_type, "has no root", "pass another number")
        self.norm_type, self.ceil_mode = norm_type, ceil_mode

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to ``(N, *output, C)``; N may be missing."""
        return batched("LPPool", len(self.kernel_size), self._pool, x)

    def _pool(self, x: jax.Array) -> jax.Array:
        return ops.lp_pool(x, self.norm_type, self.kernel_size, stride=self.stride, ceil_mode=self.ceil_mode)


class AdaptiveAvgPool(nnx.Module):
    """The means of windows that cover the spatial axes evenly, as ``torch.nn.AdaptiveAvgPool1d/2d/3d``.

    Args:
        output_size: Windows along each spatial axis, None for as many as it has samples; its length says how many
            axes there are.

    Raises:
        ArgumentError: An entry is negative, or ``output_size`` is a bare integer.
    """

    def __init__(self, output_size: Sequence[int | None]) -> None:
        axes = axes_of("AdaptiveAvgPool", "output_size", output_size, example="(1, 1)")
        self.output_size = resolve_output_size("AdaptiveAvgPool", output_size, axes)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to ``(N, *output_size, C)``; N may be missing."""
        axes = len(self.output_size)
        return batched("AdaptiveAvgPool", axes, lambda x: ops.adaptive_avg_pool(x, self.output_size), x)


class AdaptiveMaxPool(nnx.Module):
    """The largest samples of windows that cover the spatial axes evenly, as ``torch.nn.AdaptiveMaxPool1d/2d/3d``.

    Args:
        output_size: As for :class:`AdaptiveAvgPool`.
        return_indices: Whether to give the places in the flattened spatial axes too.

    Raises:
        ArgumentError: An entry is negative, or ``output_size`` is a bare integer.
    """

    def __init__(self, output_size: Sequence[int | None], *, return_indices: bool = False) -> None:
        axes = axes_of("AdaptiveMaxPool", "output_size", output_size, example="(1, 1)")
        self.output_size = resolve_output_size("AdaptiveMaxPool", output_size, axes)
        self.return_indices = return_indices

    def __call__(self, x: jax.Array) -> Any:
        """Map ``(N, *spatial, C)`` to ``(N, *output_size, C)``, or to that and its indices; N may be missing."""
        return batched("AdaptiveMaxPool", len(self.output_size), self._pool, x)

    def _pool(self, x: jax.Array) -> Any:
        return ops.adaptive_max_pool(x, self.output_size, return_indices=self.return_indices)
