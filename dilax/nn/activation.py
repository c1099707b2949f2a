"""Activations as modules, so that they can stand in a Sequential and be compared layer by layer."""

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
        return jax.nn.elu(x, self.alpha)


class GELU(nnx.Module):
    """``x`` times the normal distribution function of ``x``; any shape.

    Differs from ``jax.nn.gelu``: exact, as in PyTorch, where that defaults to the tanh approximation.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.nn.gelu(x, approximate=False)


#: Activations by the names that configurations use.
ACTIVATIONS: dict[str, Callable[[], nnx.Module]] = {"elu": ELU, "gelu": GELU, "relu": ReLU}
