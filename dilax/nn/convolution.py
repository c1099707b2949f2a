"""Convolution layers over :mod:`dilax.ops`."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from .. import ops
from ..errors import ArgumentError
from ..ops.arguments import Padding, one_of, per_axis, resolve_padding
from ..ops.convolution import LOWERINGS
from .batching import axes_of, batched
from .checks import channels_last, positive, stream
from .dtypes import promote
from .initial import uniform
from .moments import affine


class Conv(nnx.Module):
    """A (dilated) convolution over 1, 2 or 3 spatial axes, with the semantics of ``torch.nn.Conv1d/2d/3d``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps along each spatial axis; its length says how many axes there are.
        stride: Distance between windows; an integer or one for each axis.
        padding: Samples put at both ends, in any way that :func:`dilax.ops.conv` knows.
        dilation: Distance between taps; an integer or one for each axis.
        groups: Groups of channels; divides both channel counts.
        bias: Whether to add a learned number to each output channel.
        padding_mode: What is put there: ``"zeros"``, or ``"reflect"``, ``"replicate"`` or ``"circular"`` as for
            :func:`dilax.ops.pad`.
        lowering: As for :func:`dilax.ops.conv`.
        precision: As for :func:`dilax.ops.conv`.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and parameters.
        kernel_init: What the kernel begins with, called with a key, a shape and a dtype, such as one of
            ``flax.nnx.initializers``; if None, PyTorch's distribution.
        bias_init: The same of the bias.
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
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        lowering: ops.Lowering = "auto",
        precision: Any = None,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        kernel_init: nnx.Initializer | None = None,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        axes = axes_of("Conv", "kernel_size", kernel_size, example="(3, 3)")
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
        _check_channels("Conv", in_channels, out_channels, groups)
        one_of("Conv", "padding_mode", padding_mode, ("zeros", "reflect", "replicate", "circular"))
        one_of("Conv", "lowering", lowering, LOWERINGS)
        stream("Conv", rngs, "params")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.padding_mode = padding_mode
        self.lowering, self.precision, self.compute_dtype = lowering, precision, compute_dtype
        shape = (*self.kernel_size, in_channels // groups, out_channels)
        bound = 1 / math.sqrt(math.prod(shape[:-1]))
        self.kernel = nnx.Param(uniform(rngs, shape, dtype, bound, kernel_init))
        self.bias = nnx.Param(uniform(rngs, (out_channels,), dtype, bound, bias_init)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, in_channels)`` to ``(N, *output, out_channels)``; N may be missing."""
        axes = len(self.kernel_size)
        if x.ndim > axes:
            channels_last("Conv", x, self.in_channels, "in_channels")
        return batched("Conv", axes, self._convolve, x)

    def _convolve(self, x: jax.Array) -> jax.Array:
        bias = None if self.bias is None else self.bias[...]
        x, kernel, bias = promote(self.compute_dtype, x, self.kernel[...], bias)
        padding = self.padding
        if self.padding_mode != "zeros":
            x = ops.pad(x, padding, mode=self.padding_mode)
            padding = ((0, 0),) * len(padding)
        y = ops.conv(
            x,
            kernel,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
            lowering=self.lowering,
            precision=self.precision,
        )
        return affine(y, None, bias)


class ConvTranspose(nnx.Module):
    """The transpose of a convolution, with the semantics of ``torch.nn.ConvTranspose1d/2d/3d``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps along each spatial axis; its length says how many axes there are.
        stride: Samples of the output for one of the input; an integer or one for each axis.
        padding: Samples cropped from both ends; an integer or one for each axis.
        output_padding: Samples added at the far end, less than the stride or the dilation.
        groups: Groups of channels; divides both channel counts.
        bias: Whether to add a learned number to each output channel.
        dilation: Distance between taps; an integer or one for each axis.
        lowering: As for :func:`dilax.ops.conv`.
        precision: As for :func:`dilax.ops.conv`.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and parameters.
        kernel_init: What the kernel begins with, called with a key, a shape and a dtype, such as one of
            ``flax.nnx.initializers``; if None, PyTorch's distribution.
        bias_init: The same of the bias.
        rngs: Where the initial values come from.

    Attributes:
        kernel: ``(*kernel_size, in_channels / groups, out_channels)``.
        bias: ``(out_channels,)``, or None.

    Raises:
        ArgumentError: An argument is out of range, or ``kernel_size`` is a bare integer.

    Differs from PyTorch: channels are last, and the kernel's last two axes are those of :class:`Conv`;
    ``kernel_size`` is a tuple, because the number of axes comes from it. Initial values have PyTorch's distribution,
    uniform within ``1 / sqrt(out_channels / groups * taps)``.

    Source: Zeiler et al., "Deconvolutional Networks", 2010.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        lowering: ops.Lowering = "auto",
        precision: Any = None,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        kernel_init: nnx.Initializer | None = None,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        axes = axes_of("ConvTranspose", "kernel_size", kernel_size, example="(3, 3)")
        self.kernel_size = per_axis("ConvTranspose", "kernel_size", kernel_size, axes=axes)
        self.stride = per_axis("ConvTranspose", "stride", stride, axes=axes)
        self.padding = per_axis("ConvTranspose", "padding", padding, axes=axes, least=0)
        self.output_padding = per_axis("ConvTranspose", "output_padding", output_padding, axes=axes, least=0)
        self.dilation = per_axis("ConvTranspose", "dilation", dilation, axes=axes)
        _check_channels("ConvTranspose", in_channels, out_channels, groups)
        one_of("ConvTranspose", "lowering", lowering, LOWERINGS)
        stream("ConvTranspose", rngs, "params")
        for added, step, rate in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if added >= max(step, rate):
                raise ArgumentError(
                    "ConvTranspose", "output_padding", output_padding,
                    f"is not below stride {step} or dilation {rate}", "pass less",
                )  # fmt: skip
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.lowering, self.precision, self.compute_dtype = lowering, precision, compute_dtype
        shape = (*self.kernel_size, in_channels // groups, out_channels)
        bound = 1 / math.sqrt(math.prod(self.kernel_size) * (out_channels // groups))
        self.kernel = nnx.Param(uniform(rngs, shape, dtype, bound, kernel_init))
        self.bias = nnx.Param(uniform(rngs, (out_channels,), dtype, bound, bias_init)) if bias else None

    def __call__(self, x: jax.Array, output_size: Sequence[int] | None = None) -> jax.Array:
        """Map ``(N, *spatial, in_channels)`` to ``(N, *output, out_channels)``; N may be missing.

        Args:
            x: The input.
            output_size: Length of each spatial axis of the output, which then decides the output padding.
        """
        axes = len(self.kernel_size)
        extra = self.output_padding
        if x.ndim > axes:
            channels_last("ConvTranspose", x, self.in_channels, "in_channels")
        if output_size is not None and x.ndim in (axes + 1, axes + 2):
            extra = self._extra(x.shape[-1 - axes : -1], output_size)
        return batched("ConvTranspose", axes, lambda x: self._convolve(x, extra), x)

    def _extra(self, lengths: tuple[int, ...], output_size: Sequence[int]) -> tuple[int, ...]:
        """Output padding that gives ``output_size``."""
        asked = per_axis("ConvTranspose", "output_size", output_size, axes=len(lengths))
        least = tuple(
            (length - 1) * step - 2 * crop + rate * (taps - 1) + 1
            for length, step, crop, rate, taps in zip(
                lengths, self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        )
        extra = tuple(size - low for size, low in zip(asked, least, strict=True))
        if not all(0 <= added < step for added, step in zip(extra, self.stride, strict=True)):
            most = tuple(low + step - 1 for low, step in zip(least, self.stride, strict=True))
            raise ArgumentError(
                "ConvTranspose", "output_size", output_size,
                f"is out of reach of an input of {lengths}", f"pass sizes from {least} to {most}",
            )  # fmt: skip
        return extra

    def _convolve(self, x: jax.Array, output_padding: tuple[int, ...]) -> jax.Array:
        bias = None if self.bias is None else self.bias[...]
        x, kernel, bias = promote(self.compute_dtype, x, self.kernel[...], bias)
        y = ops.conv_transpose(
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            output_padding=output_padding,
            dilation=self.dilation,
            groups=self.groups,
            lowering=self.lowering,
            precision=self.precision,
        )
        return affine(y, None, bias)


def _check_channels(layer: str, in_channels: int, out_channels: int, groups: int) -> None:
    positive(layer, in_channels=in_channels, out_channels=out_channels, groups=groups)
    if in_channels % groups or out_channels % groups:
        raise ArgumentError(
            layer, "groups", groups,
            f"does not divide in_channels={in_channels} and out_channels={out_channels}",
            "pass a divisor of both",
        )  # fmt: skip
