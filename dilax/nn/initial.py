"""Initial values with PyTorch's distributions."""

import math
from typing import Any

import jax
from flax import nnx


def uniform(
    rngs: nnx.Rngs, shape: tuple[int, ...], dtype: Any, bound: float, init: nnx.Initializer | None = None
) -> jax.Array:
    """Uniform from ``-bound`` to ``bound``, as PyTorch's layers begin; or what ``init`` gives."""
    if init is not None:
        return init(rngs.params(), shape, dtype)
    return jax.random.uniform(rngs.params(), shape, dtype, -bound, bound)


def normal(rngs: nnx.Rngs, shape: tuple[int, ...], dtype: Any, deviation: float = 1.0) -> jax.Array:
    """Normal around 0."""
    return deviation * jax.random.normal(rngs.params(), shape, dtype)


def glorot(rngs: nnx.Rngs, shape: tuple[int, int], dtype: Any) -> jax.Array:
    """Uniform within ``sqrt(6 / (rows + columns))``, ``torch.nn.init.xavier_uniform_`` of a matrix."""
    return uniform(rngs, shape, dtype, math.sqrt(6 / sum(shape)))
