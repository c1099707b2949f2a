"""Normalisation layers with PyTorch's statistics."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError


class BatchNorm(nnx.Module):
    """Normalises each channel over the batch and space, with the semantics of ``torch.nn.BatchNorm1d/2d/3d``.

    In training, with the batch's mean and biased variance, while the running statistics move towards the batch's mean
    and *unbiased* variance; in evaluation, with the running statistics.

    Args:
        num_features: Channels.
        eps: Added to the variance.
        momentum: Share of the batch in the new running statistics (PyTorch's sense; Flax's is one minus it).
        dtype: Dtype of parameters and statistics.

    Attributes:
        scale: ``(num_features,)``, PyTorch's ``weight``.
        bias: ``(num_features,)``.
        mean: ``(num_features,)``, PyTorch's ``running_mean``.
        var: ``(num_features,)``, PyTorch's ``running_var``.
        num_batches_tracked: Training batches seen, a 0-d int32.

    Raises:
        ArgumentError: ``num_features`` is below 1, or a training batch has one value for each channel.

    Differs from ``flax.nnx.BatchNorm``: eps, momentum, the unbiased running variance, and a variance that stays right
    when the mean is large.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015.
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        dtype: Any = jnp.float32,
    ) -> None:
        if num_features < 1:
            raise ArgumentError("BatchNorm", "num_features", num_features, "is below 1", "pass a positive integer")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.use_running_average = False
        self.scale = nnx.Param(jnp.ones(num_features, dtype))
        self.bias = nnx.Param(jnp.zeros(num_features, dtype))
        self.mean = nnx.BatchStat(jnp.zeros(num_features, dtype))
        self.var = nnx.BatchStat(jnp.ones(num_features, dtype))
        self.num_batches_tracked = nnx.BatchStat(jnp.zeros((), jnp.int32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, num_features)`` to the same shape."""
        if self.use_running_average:
            mean, var = self.mean[...], self.var[...]
        else:
            mean, var = self._batch_statistics(x)
        return (x - mean) * (jax.lax.rsqrt(var + self.eps) * self.scale[...]) + self.bias[...]

    def _batch_statistics(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        axes = tuple(range(x.ndim - 1))
        count = x.size // self.num_features
        if count < 2:
            raise ArgumentError(
                "BatchNorm", "x", x.shape, "has one value for each channel, which has no variance",
                "pass a larger batch, or call model.eval()",
            )  # fmt: skip
        mean = x.mean(axes)
        var = jnp.square(x - mean).mean(axes)
        unbiased = jax.lax.stop_gradient(var) * (count / (count - 1))
        self._track(self.mean, jax.lax.stop_gradient(mean))
        self._track(self.var, unbiased)
        self.num_batches_tracked[...] += 1
        return mean, var

    def _track(self, running: nnx.BatchStat[jax.Array], batch: jax.Array) -> None:
        running[...] = (1 - self.momentum) * running[...] + self.momentum * batch
