"""Activations as modules, so that they can stand in a Sequential and be compared layer by layer."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx


class ReLU(nnx.Module):
    """``max(x, 0)``; any shape."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.maximum(x, 0)


class ELU(nnx.Module):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``; any shape.

    Args:
        alpha: The value that very negative inputs approach, negated.

    Source: Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units", 2016.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def __call__(self, x: jax.Array) -> jax.Array:
        negative = jnp.minimum(x, 0)
        exponential = _expm1_float32 if x.dtype == jnp.float32 else jnp.expm1
        return jnp.where(x > 0, x, self.alpha * exponential(negative))


def _expm1_float32(x: jax.Array) -> jax.Array:
    """``exp(x) - 1`` for ``x <= 0``; XLA's own has twice PyTorch's error in float32."""
    x = jnp.maximum(x, -25)  # below, the result is -1
    octaves = jax.lax.stop_gradient(jnp.round(x / math.log(2)))
    # ln 2 in two parts, of which the first times a small integer is exact.
    rest = (x - octaves * 0.693359375) + octaves * 2.12194440e-4
    series = jnp.zeros_like(rest)
    for power in range(8, 1, -1):
        series = series * rest + 1 / math.factorial(power)
    scale = jnp.ldexp(jnp.ones_like(rest), octaves.astype(jnp.int32))
    return scale * (rest + rest * rest * series) + (scale - 1)


class GELU(nnx.Module):
    """``x`` times the normal distribution function of ``x``; any shape.

    Differs from ``jax.nn.gelu``: exact, as in PyTorch, where that defaults to the tanh approximation.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.nn.gelu(x, approximate=False)


#: Activations by the names that configurations use.
ACTIVATIONS: dict[str, Callable[[], nnx.Module]] = {"elu": ELU, "gelu": GELU, "relu": ReLU}
