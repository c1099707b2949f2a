"""Convolution layers over :mod:`dilax.ops`."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .. import ops
from ..errors import ArgumentError
from ..ops.arguments import Padding, per_axis, resolve_padding
from .dtypes import promote


class Conv(nnx.Module):
    """A (dilated) convolution over 1, 2 or 3 spatial axes, with the semantics of ``torch.nn.Conv1d/2d/3d``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps along each spatial axis; its length says how many axes there are.
        stride: Distance between windows; an integer or one for each axis.
        padding: Zeros at both ends, in any way that :func:`dilax.ops.conv` knows.
        dilation: Distance between taps; an integer or one for each axis.
        groups: Groups of channels; divides both channel counts.
        bias: Whether to add a learned number to each output channel.
        lowering: As for :func:`dilax.ops.conv`.
        precision: As for :func:`dilax.ops.conv`.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and parameters.
        rngs: Where the initial values come from.

    Attributes:
        kernel: ``(*kernel_size, in_channels / groups, out_channels)``.
        bias: ``(out_channels,)``, or None.

    Raises:
        ArgumentError: An argument is out of range, or ``kernel_size`` is a bare integer.

    Differs from PyTorch: channels are last; ``kernel_size`` is a tuple, because the number of axes comes from it.
    Initial values have PyTorch's distribution, uniform within ``1 / sqrt(fan_in)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Padding = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        lowering: ops.Lowering = "auto",
        precision: Any = None,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        if not isinstance(kernel_size, Sequence) or not 1 <= len(kernel_size) <= 3:
            raise ArgumentError(
                "Conv", "kernel_size", kernel_size, "does not say how many spatial axes there are",
                "pass one size for each of 1 to 3 axes, e.g. (3, 3)",
            )  # fmt: skip
        axes = len(kernel_size)
        self.kernel_size = per_axis("Conv", "kernel_size", kernel_size, axes=axes)
        self.stride = per_axis("Conv", "stride", stride, axes=axes)
        self.dilation = per_axis("Conv", "dilation", dilation, axes=axes)
        self.padding = resolve_padding(
            "Conv",
            padding,
            kernel_size=self.kernel_size,
            stride=self.stride,
            dilation=self.dilation,
        )
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels < 1:
                raise ArgumentError("Conv", name, channels, "is below 1", "pass a positive integer")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ArgumentError(
                "Conv", "groups", groups,
                f"does not divide in_channels={in_channels} and out_channels={out_channels}",
                "pass a divisor of both",
            )  # fmt: skip
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.lowering, self.precision, self.compute_dtype = lowering, precision, compute_dtype
        shape = (*self.kernel_size, in_channels // groups, out_channels)
        bound = 1 / math.sqrt(math.prod(shape[:-1]))
        self.kernel = nnx.Param(_uniform(rngs, shape, dtype, bound))
        self.bias = nnx.Param(_uniform(rngs, (out_channels,), dtype, bound)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, in_channels)`` to ``(N, *output, out_channels)``."""
        bias = None if self.bias is None else self.bias[...]
        x, kernel, bias = promote(self.compute_dtype, x, self.kernel[...], bias)
        y = ops.conv(
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            lowering=self.lowering,
            precision=self.precision,
        )
        return y if bias is None else y + bias


def _uniform(rngs: nnx.Rngs, shape: tuple[int, ...], dtype: Any, bound: float) -> jax.Array:
    return jax.random.uniform(rngs.params(), shape, dtype, -bound, bound)
