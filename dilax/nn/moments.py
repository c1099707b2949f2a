"""Mean and variance, in float32 or wider whatever the input."""

import jax
import jax.numpy as jnp


def widen(x: jax.Array) -> jax.Array:
    """``x`` in float32 if its own dtype is narrower."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def moments(
    x: jax.Array, axes: tuple[int, ...], *, keepdims: bool = False, axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance over ``axes``, from deviations, so that a large mean does no harm.

    Args:
        x: Float32 or wider.
        axes: Axes to sum over.
        keepdims: Whether they stay, with one entry.
        axis_name: Also over this axis of a ``vmap``, ``pmap`` or ``shard_map``.
    """
    mean = x.mean(axes, keepdims=True)
    if axis_name is not None:
        mean = jax.lax.pmean(mean, axis_name)
    var = jnp.square(x - mean).mean(axes, keepdims=True)
    if axis_name is not None:
        var = jax.lax.pmean(var, axis_name)
    return (mean, var) if keepdims else (mean.squeeze(axes), var.squeeze(axes))


def affine(x: jax.Array, scale: jax.Array | None, bias: jax.Array | None) -> jax.Array:
    """``x * scale + bias``; what is None is left out."""
    x = x if scale is None else x * scale
    return x if bias is None else x + bias
