"""Dilated convolution and its transpose: the checks, and the call."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp

from ..errors import ArgumentError
from . import primitives
from .arguments import Padding, one_of, per_axis, resolve_padding
from .problem import Problem, native, native_input_gradient

Lowering = Literal["auto", "native"]
LOWERINGS = get_args(Lowering)


def conv(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    lowering: Lowering = "auto",
    precision: Any = None,
) -> jax.Array:
    r"""Convolve ``x`` with a dilated kernel, over 1, 2 or 3 spatial axes.

    .. math:: y_{n,o,c} = \sum_{t, i} x_{n,\; s o + d t - p,\; i}\, k_{t,i,c}

    with stride :math:`s`, dilation :math:`d` and padding :math:`p`; what lies outside ``x`` counts as zero.

    Args:
        x: Floating ``(N, *spatial, C_in)`` with 1 to 3 spatial axes.
        kernel: ``(*kernel_size, C_in / groups, C_out)``, of the dtype of ``x``.
        stride: Distance between windows, in samples; an integer or one for each axis.
        padding: Zeros at both ends: an integer, one for each axis, a ``(before, after)`` pair for each axis,
            ``"valid"``, or ``"same"`` (stride 1 only).
        dilation: Distance between the kernel's taps, in samples; an integer or one for each axis.
        groups: Groups that the channels are split into; both channel counts are multiples of it.
        lowering: ``"auto"`` takes the fastest measured way for the platform; ``"native"`` always takes
            ``jax.lax.conv_general_dilated``.
        precision: As in ``jax.lax.conv_general_dilated``.

    Returns:
        ``(N, *output, C_out)``, of the dtype of ``x``; each output axis is as long as
        :func:`dilax.geometry.output_size` says.

    Raises:
        ArgumentError: Shapes, dtypes or arguments do not belong together.

    Differs from PyTorch: channels are last, in ``x`` and in ``kernel``; there is no bias.

    Source: Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016.

    >>> import jax.numpy as jnp
    >>> conv(jnp.ones((1, 7, 7, 3)), jnp.ones((3, 3, 3, 8)), dilation=2).shape
    (1, 3, 3, 8)
    """
    axes = _check_arrays(x, kernel, groups)
    kernel_size = kernel.shape[:axes]
    stride = per_axis("conv", "stride", stride, axes=axes)
    dilation = per_axis("conv", "dilation", dilation, axes=axes)
    pads = resolve_padding("conv", padding, kernel_size=kernel_size, stride=stride, dilation=dilation)
    for axis, (length, pair) in enumerate(zip(x.shape[1:-1], pads, strict=True)):
        window = dilation[axis] * (kernel_size[axis] - 1) + 1
        if length + sum(pair) < window:
            raise ArgumentError(
                "conv", "x", x.shape,
                f"is {length} samples long on spatial axis {axis}, with padding {pair} less than the "
                f"kernel's window of {window}",
                "pass a longer input, more padding, or less dilation",
            )  # fmt: skip
    problem = Problem(x.shape[1:-1], kernel_size, stride, pads, dilation, groups, precision)
    one_of("conv", "lowering", lowering, LOWERINGS)
    if lowering == "native" or not x.size or not primitives.apply_here(x, kernel):
        return native(x, kernel, problem)
    return primitives.forward(x, kernel, problem)


def conv_transpose(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | Sequence[tuple[int, int]] = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    lowering: Lowering = "auto",
    precision: Any = None,
) -> jax.Array:
    r"""The transpose of a dilated convolution: what its input's gradient is. Arguments are PyTorch's.

    .. math:: y_{n,\; s i + d t - p,\; c} = \sum_{i, t, j} x_{n,i,j}\, k_{t,j,c}

    with stride :math:`s`, dilation :math:`d` and padding :math:`p`.

    Args:
        x: Floating ``(N, *spatial, C_in)`` with 1 to 3 spatial axes.
        kernel: ``(*kernel_size, C_in / groups, C_out)``, of the dtype of ``x``.
        stride: Samples of the output for one of the input; an integer or one for each axis.
        padding: Samples cropped from both ends: an integer, one for each axis, or a ``(before, after)`` pair for each.
        output_padding: Samples added at the far end, less than the stride or the dilation.
        dilation: Distance between the kernel's taps, in samples; an integer or one for each axis.
        groups: Groups that the channels are split into; both channel counts are multiples of it.
        lowering: As for :func:`conv`.
        precision: As in ``jax.lax.conv_general_dilated``.

    Returns:
        ``(N, *output, C_out)``, of the dtype of ``x``; each output axis has
        ``(length - 1) * stride - before - after + dilation * (kernel_size - 1) + output_padding + 1`` samples.

    Raises:
        ArgumentError: Shapes, dtypes or arguments do not belong together.

    Differs from PyTorch: channels are last; the kernel's input channels come before its output channels; there is no
    bias. Differs from ``jax.lax.conv_transpose``: the taps are not turned round.

    Source: Zeiler et al., "Deconvolutional Networks", 2010.

    >>> import jax.numpy as jnp
    >>> conv_transpose(jnp.ones((1, 7, 7, 3)), jnp.ones((4, 4, 3, 8)), stride=2, padding=1).shape
    (1, 14, 14, 8)
    """
    axes = _check_arrays(x, kernel, groups, function="conv_transpose")
    kernel_size = kernel.shape[:axes]
    stride = per_axis("conv_transpose", "stride", stride, axes=axes)
    dilation = per_axis("conv_transpose", "dilation", dilation, axes=axes)
    extra = per_axis("conv_transpose", "output_padding", output_padding, axes=axes, least=0)
    if isinstance(padding, str):
        raise ArgumentError("conv_transpose", "padding", padding, "has no fixed meaning here", "pass integers")
    pads = resolve_padding("conv_transpose", padding, kernel_size=kernel_size, stride=stride, dilation=dilation)
    for added, step, rate in zip(extra, stride, dilation, strict=True):
        if added >= max(step, rate):
            raise ArgumentError(
                "conv_transpose", "output_padding", output_padding,
                f"is not below stride {step} or dilation {rate}", "pass less",
            )  # fmt: skip
    size = tuple(
        (length - 1) * step - sum(pair) + rate * (taps - 1) + added + 1
        for length, step, pair, rate, taps, added in zip(
            x.shape[1:-1], stride, pads, dilation, kernel_size, extra, strict=True
        )
    )
    if min(size) < 1:
        raise ArgumentError(
            "conv_transpose", "padding", padding, f"crops more than there is: the output would be {size}", "pass less"
        )
    one_of("conv_transpose", "lowering", lowering, LOWERINGS)
    # The convolution whose input's gradient this is; what the output padding adds, its windows do not see.
    pads = tuple((before, after - added) for (before, after), added in zip(pads, extra, strict=True))
    problem = Problem(size, kernel_size, stride, pads, dilation, groups, precision)
    turned = _transposed_kernel(kernel, groups)
    if lowering == "native" or not x.size or not primitives.apply_here(x, kernel):
        return native_input_gradient(x, turned, problem)
    return primitives.input_gradient(x, turned, problem)


def _transposed_kernel(kernel: jax.Array, groups: int) -> jax.Array:
    """``(…, C_in / groups, C_out)`` as the kernel of the convolution from C_out to C_in channels."""
    if groups == 1:
        return kernel.swapaxes(-1, -2)
    *size, c_group, c_out = kernel.shape
    parts = kernel.reshape(*size, c_group, groups, c_out // groups)
    return jnp.swapaxes(parts, -3, -1).reshape(*size, c_out // groups, c_group * groups)


def _check_arrays(x: jax.Array, kernel: jax.Array, groups: int, *, function: str = "conv") -> int:
    axes = x.ndim - 2
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ArgumentError(function, "x", str(x.dtype), "is no floating dtype", "convert it with astype")
    if axes not in (1, 2, 3):
        raise ArgumentError(
            function, "x", x.shape, "does not have 1, 2 or 3 spatial axes",
            "pass (N, *spatial, C), with a batch axis first and channels last",
        )  # fmt: skip
    if kernel.ndim != x.ndim:
        raise ArgumentError(
            function, "kernel", kernel.shape, f"does not have {axes} spatial axes as x {x.shape} has",
            "pass (*kernel_size, C_in / groups, C_out)",
        )  # fmt: skip
    if kernel.dtype != x.dtype:
        raise ArgumentError(
            function, "kernel", str(kernel.dtype), f"is not of the dtype of x, {x.dtype}",
            "convert one of them with astype",
        )  # fmt: skip
    *_, c_group, c_out = kernel.shape
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ArgumentError(function, "groups", groups, "is below 1", "pass a positive integer")
    if c_group * groups != x.shape[-1] or c_out % groups:
        raise ArgumentError(
            function, "groups", groups,
            f"does not fit x with {x.shape[-1]} channels and a kernel of {c_group} to {c_out}",
            "pass groups and a kernel with C_in = groups * kernel.shape[-2] and C_out a multiple of groups",
        )  # fmt: skip
    return axes
