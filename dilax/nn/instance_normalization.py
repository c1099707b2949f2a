"""Instance normalisation with PyTorch's statistics."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from .checks import channels_last, number, positive
from .dtypes import promote
from .moments import affine as scaled
from .moments import moments, normalized, widen


class InstanceNorm(nnx.Module):
    """Normalises each channel of each sample over space, with the semantics of ``torch.nn.InstanceNorm1d/2d/3d``.

    Args:
        num_features: Channels.
        eps: Added to the variance.
        momentum: Share of the batch in the new running statistics; None is 0.
        affine: Whether there are a scale and a bias.
        track_running_stats: Whether there are running statistics, the averages over the batch, for evaluation.
        bias: Whether there is a bias; without ``affine`` there is none.
        dtype: Dtype of parameters and statistics.
        compute_dtype: Dtype of the result; if None, the smallest that holds input and parameters. Statistics are
            computed in float32 at least.

    Attributes:
        scale: ``(num_features,)``, PyTorch's ``weight``, or None.
        bias: ``(num_features,)``, or None.
        mean: ``(num_features,)``, PyTorch's ``running_mean``, or None.
        var: ``(num_features,)``, PyTorch's ``running_var``, or None.
        num_batches_tracked: A 0-d int32, which stays at 0 in PyTorch too, or None.

    Raises:
        ArgumentError: ``num_features`` is below 1 or not the input's channels, or a channel has one value.

    Differs from PyTorch: the first axis is always the batch.

    Source: Ulyanov et al., "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016.
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
    ) -> None:
        positive("InstanceNorm", num_features=num_features)
        number("InstanceNorm", eps=eps, momentum=0 if momentum is None else momentum)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.compute_dtype = compute_dtype
        self.use_running_average = False
        self.scale = nnx.Param(jnp.ones(num_features, dtype)) if affine else None
        self.bias = nnx.Param(jnp.zeros(num_features, dtype)) if affine and bias else None
        self.mean = nnx.BatchStat(jnp.zeros(num_features, dtype)) if track_running_stats else None
        self.var = nnx.BatchStat(jnp.ones(num_features, dtype)) if track_running_stats else None
        self.num_batches_tracked = nnx.BatchStat(jnp.zeros((), jnp.int32)) if track_running_stats else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, num_features)`` to the same shape."""
        channels_last("InstanceNorm", x, self.num_features, "num_features")
        scale = None if self.scale is None else self.scale[...]
        bias = None if self.bias is None else self.bias[...]
        dtype = promote(self.compute_dtype, x, scale, bias)[0].dtype
        x = widen(x)
        if self.use_running_average and self.mean is not None and self.var is not None:
            mean, var = self.mean[...], self.var[...]
            axes: tuple[int, ...] = tuple(range(x.ndim - 1))
        else:
            mean, var = self._instance_statistics(x)
            axes = _places(x)
        return scaled(normalized(x, mean, var, self.eps, axes), scale, bias).astype(dtype)

    def _instance_statistics(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        count = math.prod(x.shape[1:-1])
        if count == 1:
            raise ArgumentError(
                "InstanceNorm", "x", x.shape, "has one value for each channel, which has no variance",
                "pass a larger feature map",
            )  # fmt: skip
        mean, var = moments(x, _places(x))
        if self.mean is not None and self.var is not None:
            share = 0.0 if self.momentum is None else self.momentum
            unbiased = var * (count / max(count - 1, 1))
            for running, batch in ((self.mean, mean), (self.var, unbiased)):
                average = jax.lax.stop_gradient(batch).reshape(-1, self.num_features).mean(0)
                running[...] = ((1 - share) * running[...] + share * average).astype(running.dtype)
        return mean, var


def _places(x: jax.Array) -> tuple[int, ...]:
    """The axes of ``(N, *spatial, C)`` that are space."""
    return tuple(range(1, x.ndim - 1))
