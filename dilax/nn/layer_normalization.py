"""Normalisations of each sample by itself, without running statistics."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.sums import mean as mean_over
from ..ops.sums import spread
from .checks import channels_last, number, positive
from .dtypes import promote
from .moments import affine as scaled
from .moments import inverse_root, moments, normalized, widen


def _shape(layer: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """``normalized_shape`` as a tuple."""
    sizes: Any = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    if isinstance(sizes, str) or not sizes:
        raise ArgumentError(
            layer, "normalized_shape", normalized_shape, "names no axis", "pass the sizes of the last axes, e.g. (64,)"
        )
    for size in sizes:
        positive(layer, normalized_shape=size)
    return tuple(int(size) for size in sizes)


def _check_end(layer: str, x: jax.Array, shape: tuple[int, ...]) -> None:
    if x.shape[-len(shape) :] != shape:
        raise ArgumentError(
            layer, "x", x.shape, f"does not end with normalized_shape={shape}", "pass an array that does"
        )


class LayerNorm(nnx.Module):
    """Normalises over the last axes.

    Args:
        normalized_shape: Sizes of those axes; an integer is one axis.
        eps: Added to the variance.
        elementwise_affine: Whether there are a scale and a bias.
        bias: Whether there is a bias; without ``elementwise_affine`` there is none.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype of the result; if None, the smallest that holds input and parameters. Statistics are
            computed in float32 at least.

    Attributes:
        scale: ``normalized_shape``, PyTorch's ``weight``, or None.
        bias: ``normalized_shape``, or None.

    Raises:
        ArgumentError: ``normalized_shape`` is no positive size or sizes, or not the end of the input's shape.

    Differs from ``flax.nnx.LayerNorm``: eps, and a variance that stays right when the mean is large.

    Source: Ba et al., "Layer Normalization", 2016.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        *,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
    ) -> None:
        self.normalized_shape = _shape("LayerNorm", normalized_shape)
        number("LayerNorm", eps=eps)
        self.eps, self.compute_dtype = eps, compute_dtype
        self.scale = nnx.Param(jnp.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = nnx.Param(jnp.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(…, *normalized_shape)`` to the same shape."""
        _check_end("LayerNorm", x, self.normalized_shape)
        scale = None if self.scale is None else self.scale[...]
        bias = None if self.bias is None else self.bias[...]
        dtype = promote(self.compute_dtype, x, scale, bias)[0].dtype
        x = widen(x)
        axes = _last_axes(x, self.normalized_shape)
        return scaled(normalized(x, *moments(x, axes), self.eps, axes), scale, bias).astype(dtype)


class RMSNorm(nnx.Module):
    """Divides by the root mean square over the last axes.

    Args:
        normalized_shape: Sizes of those axes; an integer is one axis.
        eps: Added to the mean square; if None, the distance from 1 to the next number of the dtype computed in.
        elementwise_affine: Whether there is a scale.
        dtype: Dtype of the scale.
        compute_dtype: Dtype of the result; if None, the smallest that holds input and scale. Statistics are
            computed in float32 at least.

    Attributes:
        scale: ``normalized_shape``, PyTorch's ``weight``, or None.

    Raises:
        ArgumentError: ``normalized_shape`` is no positive size or sizes, or not the end of the input's shape.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        *,
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
    ) -> None:
        self.normalized_shape = _shape("RMSNorm", normalized_shape)
        number("RMSNorm", eps=0 if eps is None else eps)
        self.eps, self.compute_dtype = eps, compute_dtype
        self.scale = nnx.Param(jnp.ones(self.normalized_shape, dtype)) if elementwise_affine else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(…, *normalized_shape)`` to the same shape."""
        _check_end("RMSNorm", x, self.normalized_shape)
        scale = None if self.scale is None else self.scale[...]
        dtype = promote(self.compute_dtype, x, scale)[0].dtype
        x = widen(x)
        eps = jnp.finfo(x.dtype).eps if self.eps is None else self.eps
        axes = _last_axes(x, self.normalized_shape)
        factor = inverse_root(mean_over(jnp.square(x), axes) + eps)
        return scaled(x * spread(factor, x.shape, axes), scale, None).astype(dtype)


class GroupNorm(nnx.Module):
    """Normalises groups of channels of each sample over space.

    Args:
        num_groups: Groups; divides ``num_channels``.
        num_channels: Channels.
        eps: Added to the variance.
        affine: Whether there are a scale and a bias.
        bias: Whether there is a bias; without ``affine`` there is none.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype of the result; if None, the smallest that holds input and parameters. Statistics are
            computed in float32 at least.

    Attributes:
        scale: ``(num_channels,)``, PyTorch's ``weight``, or None.
        bias: ``(num_channels,)``, or None.

    Raises:
        ArgumentError: ``num_groups`` does not divide ``num_channels``, or that is not the input's channels, or a group
            has one value.

    Differs from ``flax.nnx.GroupNorm``: eps, and a variance that stays right when the mean is large.

    Source: Wu and He, "Group Normalization", 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        *,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
    ) -> None:
        positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        number("GroupNorm", eps=eps)
        if num_channels % num_groups:
            raise ArgumentError(
                "GroupNorm", "num_groups", num_groups, f"does not divide num_channels={num_channels}", "pass a divisor"
            )
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.compute_dtype = compute_dtype
        self.scale = nnx.Param(jnp.ones(num_channels, dtype)) if affine else None
        self.bias = nnx.Param(jnp.zeros(num_channels, dtype)) if affine and bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, num_channels)`` to the same shape."""
        channels_last("GroupNorm", x, self.num_channels, "num_channels")
        if x.size == self.num_groups:
            raise ArgumentError(
                "GroupNorm", "x", x.shape, "has one value for each group, which has no variance",
                "pass a larger batch or feature map",
            )  # fmt: skip
        scale = None if self.scale is None else self.scale[...]
        bias = None if self.bias is None else self.bias[...]
        dtype = promote(self.compute_dtype, x, scale, bias)[0].dtype
        groups = (self.num_groups, self.num_channels // self.num_groups)
        apart = widen(x).reshape(x.shape[0], math.prod(x.shape[1:-1]), *groups)
        normal = normalized(apart, *moments(apart, (1, 3)), self.eps, (1, 3))
        return scaled(normal.reshape(x.shape), scale, bias).astype(dtype)


def _last_axes(x: jax.Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(x.ndim - len(shape), x.ndim))
