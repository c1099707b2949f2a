"""Mean and variance, in float32 or wider whatever the input."""

import jax
import jax.numpy as jnp

from ..ops.sums import mean as mean_over
from ..ops.sums import spread


def widen(x: jax.Array) -> jax.Array:
    """``x`` in float32 if its own dtype is narrower."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def moments(x: jax.Array, axes: tuple[int, ...], *, axis_name: str | None = None) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance over ``axes``, from deviations, so that a large mean does no harm.

    Args:
        x: Float32 or wider.
        axes: Axes to sum over, not negative, in order; the results lack them.
        axis_name: Also over this axis of a ``vmap``, ``pmap`` or ``shard_map``.
    """
    mean = mean_over(x, axes)
    if axis_name is not None:
        mean = jax.lax.pmean(mean, axis_name)
    var = mean_over(jnp.square(x - spread(mean, x.shape, axes)), axes)
    if axis_name is not None:
        var = jax.lax.pmean(var, axis_name)
    return mean, var


def normalized(
    x: jax.Array, mean: jax.Array, var: jax.Array, eps: float, axes: tuple[int, ...] | None = None
) -> jax.Array:
    """``(x - mean) / sqrt(var + eps)``, where the statistics lack these axes, or the first ones."""
    return (x - spread(mean, x.shape, axes)) * spread(inverse_root(var + eps), x.shape, axes)


def affine(x: jax.Array, scale: jax.Array | None, bias: jax.Array | None) -> jax.Array:
    """``x * scale + bias``, the two of the last axes of ``x``; what is None is left out."""
    x = x if scale is None else x * spread(scale, x.shape)
    return x if bias is None else x + spread(bias, x.shape)


def inverse_root(x: jax.Array) -> jax.Array:
    """One over the square root, rounded twice, as PyTorch's.

    XLA's ``rsqrt`` on a CPU may be a unit in the last place off, where variances are equal in all channels of all
    layers to the same side: in fifty layers that added up to several times PyTorch's error. The barrier keeps XLA from
    making ``rsqrt`` of this too.
    """
    return 1 / jax.lax.optimization_barrier(jnp.sqrt(x))
