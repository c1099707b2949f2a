"""Dilated convolution: the checks, the choice of lowering, and the gradient rule."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from ..errors import ArgumentError
from .arguments import Padding, per_axis, resolve_padding
from .lowerings import Geometry, depth_slabs, depth_slabs_kernel_gradient, folds, native

Lowering = Literal["auto", "native"]


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
            ``jax.lax.conv_general_dilated``, which also has forward-mode derivatives where ``"auto"`` has only
            reverse mode (3-D of stride 1).
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
    geometry = Geometry(stride, pads, dilation, groups, precision)
    if lowering == "native":
        return native(x, kernel, geometry)
    if lowering != "auto":
        raise ArgumentError("conv", "lowering", lowering, "is unknown", 'pass "auto" or "native"')
    if jnp.issubdtype(x.dtype, jnp.floating) and x.size and folds(kernel.shape, geometry):
        return _folded(x, kernel, geometry)
    return native(x, kernel, geometry)


def _check_arrays(x: jax.Array, kernel: jax.Array, groups: int) -> int:
    axes = x.ndim - 2
    if axes not in (1, 2, 3):
        raise ArgumentError(
            "conv", "x", x.shape, "does not have 1, 2 or 3 spatial axes",
            "pass (N, *spatial, C), with a batch axis first and channels last",
        )  # fmt: skip
    if kernel.ndim != x.ndim:
        raise ArgumentError(
            "conv", "kernel", kernel.shape, f"does not have {axes} spatial axes as x {x.shape} has",
            "pass (*kernel_size, C_in / groups, C_out)",
        )  # fmt: skip
    if kernel.dtype != x.dtype:
        raise ArgumentError(
            "conv", "kernel", str(kernel.dtype), f"is not of the dtype of x, {x.dtype}",
            "convert one of them with astype",
        )  # fmt: skip
    *_, c_group, c_out = kernel.shape
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ArgumentError("conv", "groups", groups, "is below 1", "pass a positive integer")
    if c_group * groups != x.shape[-1] or c_out % groups:
        raise ArgumentError(
            "conv", "groups", groups,
            f"does not fit x with {x.shape[-1]} channels and a kernel of {c_group} to {c_out}",
            "pass groups and a kernel with C_in = groups * kernel.shape[-2] and C_out a multiple of groups",
        )  # fmt: skip
    return axes


# A convolution, its input's gradient and its kernel's gradient are the three contractions of one trilinear form
# T(x, kernel, out_gradient). So the gradient of any one of them is made of the other two, and gradients of every order
# stay on the fast lowering: XLA's own gradient of a 3-D convolution is up to 20 times slower on a CPU, and more in
# lax.scan. On other platforms each of the three is XLA's.


@partial(jax.custom_vjp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def _folded(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: depth_slabs(x, kernel, geometry),
        default=lambda x, kernel: native(x, kernel, geometry),
    )


def _folded_forward(
    x: jax.Array, kernel: jax.Array, geometry: Geometry
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _folded(x, kernel, geometry), (x, kernel)


def _folded_backward(
    geometry: Geometry, residuals: tuple[jax.Array, jax.Array], out_gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    return (
        _input_gradient(out_gradient, kernel, geometry),
        _kernel_gradient(x, out_gradient, kernel.shape[:3], geometry),
    )


_folded.defvjp(_folded_forward, _folded_backward)


def _input_gradient(out_gradient: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Itself a convolution: of the output's gradient with the kernel turned round."""
    reach = [rate * (taps - 1) for rate, taps in zip(geometry.dilation, kernel.shape[:3], strict=True)]
    pads = tuple(
        (length - before, length - after) for length, (before, after) in zip(reach, geometry.pads, strict=True)
    )
    turned = kernel[::-1, ::-1, ::-1].swapaxes(-1, -2)
    return _folded(out_gradient, turned, geometry._replace(pads=pads))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@partial(jax.jit, static_argnums=(2, 3))
def _kernel_gradient(
    x: jax.Array, out_gradient: jax.Array, kernel_size: tuple[int, ...], geometry: Geometry
) -> jax.Array:
    def by_autodiff(x: jax.Array, out_gradient: jax.Array) -> jax.Array:
        shape = jax.ShapeDtypeStruct((*kernel_size, x.shape[-1], out_gradient.shape[-1]), x.dtype)
        transpose = jax.linear_transpose(lambda kernel: native(x, kernel, geometry), shape)
        (gradient,) = transpose(out_gradient)
        return gradient

    return lax.platform_dependent(
        x,
        out_gradient,
        cpu=lambda x, out_gradient: depth_slabs_kernel_gradient(x, out_gradient, kernel_size, geometry),
        default=by_autodiff,
    )


def _kernel_gradient_forward(
    x: jax.Array, out_gradient: jax.Array, kernel_size: tuple[int, ...], geometry: Geometry
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _kernel_gradient(x, out_gradient, kernel_size, geometry), (x, out_gradient)


def _kernel_gradient_backward(
    kernel_size: tuple[int, ...],
    geometry: Geometry,
    residuals: tuple[jax.Array, jax.Array],
    kernel_tangent: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, out_gradient = residuals
    return (
        _input_gradient(out_gradient, kernel_tangent, geometry),
        _folded(x, kernel_tangent, geometry),
    )


_kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)
