"""Batch normalisation with PyTorch's statistics."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.sums import spread
from .checks import channels_last, number, positive
from .dtypes import promote
from .moments import affine as scaled
from .moments import inverse_root, moments, widen


class BatchNorm(nnx.Module):
    """Normalises each channel over the batch and space, with the semantics of ``torch.nn.BatchNorm1d/2d/3d``.

    In training, with the batch's mean and biased variance, while the running statistics move towards the batch's mean
    and *unbiased* variance; in evaluation, with the running statistics.

    Args:
        num_features: Channels.
        eps: Added to the variance.
        momentum: Share of the batch in the new running statistics (PyTorch's sense; Flax's is one minus it).
            If None, they are the plain average over all batches seen.
        affine: Whether there are a scale and a bias.
        track_running_stats: Whether there are running statistics; without, evaluation takes the batch's too.
        bias: Whether there is a bias; without ``affine`` there is none.
        axis_name: Name of an axis of ``vmap``, ``pmap`` or ``shard_map`` over which the batch is spread; statistics
            are those of the whole batch, as ``torch.nn.SyncBatchNorm``'s.
        dtype: Dtype of parameters and statistics.
        compute_dtype: Dtype of the result; if None, the smallest that holds input and parameters. Statistics are
            computed in float32 at least.

    Attributes:
        scale: ``(num_features,)``, PyTorch's ``weight``, or None.
        bias: ``(num_features,)``, or None.
        mean: ``(num_features,)``, PyTorch's ``running_mean``, or None.
        var: ``(num_features,)``, PyTorch's ``running_var``, or None.
        num_batches_tracked: Training batches seen, a 0-d int32, or None.

    Raises:
        ArgumentError: ``num_features`` is below 1 or not the input's channels, ``eps`` is not above 0, or
            a training batch has one value for each channel.

    Differs from ``flax.nnx.BatchNorm``: eps, momentum, the unbiased running variance, and a variance that stays right
    when the mean is large.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015.
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        bias: bool = True,
        axis_name: str | None = None,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
    ) -> None:
        positive("BatchNorm", num_features=num_features)
        number("BatchNorm", eps=eps, momentum=0 if momentum is None else momentum)
        if eps <= 0:
            raise ArgumentError("BatchNorm", "eps", eps, "is not above 0", "pass a small number, e.g. 1e-5")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.axis_name, self.compute_dtype = axis_name, compute_dtype
        self.use_running_average = False
        self.scale = nnx.Param(jnp.ones(num_features, dtype)) if affine else None
        self.bias = nnx.Param(jnp.zeros(num_features, dtype)) if affine and bias else None
        self.mean = nnx.BatchStat(jnp.zeros(num_features, dtype)) if track_running_stats else None
        self.var = nnx.BatchStat(jnp.ones(num_features, dtype)) if track_running_stats else None
        self.num_batches_tracked = nnx.BatchStat(jnp.zeros((), jnp.int32)) if track_running_stats else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, num_features)`` to the same shape."""
        channels_last("BatchNorm", x, self.num_features, "num_features")
        scale = None if self.scale is None else self.scale[...]
        bias = None if self.bias is None else self.bias[...]
        dtype = promote(self.compute_dtype, x, scale, bias)[0].dtype
        x = widen(x)
        if self.use_running_average and self.mean is not None and self.var is not None:
            mean, var = self.mean[...], self.var[...]
        else:
            mean, var = self._batch_statistics(x)
        factor = inverse_root(var + self.eps)
        factor = factor if scale is None else factor * scale
        return scaled(x - spread(mean, x.shape), factor, bias).astype(dtype)

    def _batch_statistics(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        count = x.size // self.num_features
        if self.axis_name is not None:
            count *= jax.lax.axis_size(self.axis_name)
        if count == 1 and not self.use_running_average:
            raise ArgumentError(
                "BatchNorm", "x", x.shape, "has one value for each channel, which has no variance",
                "pass a larger batch, or call model.eval()",
            )  # fmt: skip
        mean, var = moments(x, tuple(range(x.ndim - 1)), axis_name=self.axis_name)
        if not self.use_running_average:
            unbiased = jax.lax.stop_gradient(var) * (count / max(count - 1, 1))
            self._track(x.size, jax.lax.stop_gradient(mean), unbiased)
        return mean, var

    def _track(self, size: int, mean: jax.Array, unbiased: jax.Array) -> None:
        if self.mean is None or self.var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked[...] += 1
        if not size:
            return  # an empty batch says nothing, and its mean is not a number
        seen = self.num_batches_tracked[...].astype(self.mean.dtype)
        share = 1 / seen if self.momentum is None else self.momentum
        for running, batch in ((self.mean, mean), (self.var, unbiased)):
            running[...] = ((1 - share) * running[...] + share * batch).astype(running.dtype)


class FrozenBatchNorm(nnx.Module):
    """A batch normalisation whose four arrays never change, as ``torchvision.ops.FrozenBatchNorm2d``.

    Args:
        num_features: Channels.
        eps: Added to the variance.
        dtype: Dtype of the arrays.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and arrays.

    Attributes:
        scale: ``(num_features,)``, PyTorch's ``weight``; like the others no parameter, so that no optimizer moves it.
        bias: ``(num_features,)``.
        mean: ``(num_features,)``, PyTorch's ``running_mean``.
        var: ``(num_features,)``, PyTorch's ``running_var``.

    Raises:
        ArgumentError: ``num_features`` is below 1 or not the input's channels.
    """

    def __init__(
        self, num_features: int, *, eps: float = 1e-5, dtype: Any = jnp.float32, compute_dtype: Any = None
    ) -> None:
        positive("FrozenBatchNorm", num_features=num_features)
        number("FrozenBatchNorm", eps=eps)
        self.num_features, self.eps, self.compute_dtype = num_features, eps, compute_dtype
        self.scale = nnx.BatchStat(jnp.ones(num_features, dtype))
        self.bias = nnx.BatchStat(jnp.zeros(num_features, dtype))
        self.mean = nnx.BatchStat(jnp.zeros(num_features, dtype))
        self.var = nnx.BatchStat(jnp.ones(num_features, dtype))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, num_features)`` to the same shape."""
        channels_last("FrozenBatchNorm", x, self.num_features, "num_features")
        scale = self.scale[...] * inverse_root(self.var[...] + self.eps)
        bias = self.bias[...] - self.mean[...] * scale
        x, scale, bias = promote(self.compute_dtype, x, scale, bias)
        return x * scale + bias
