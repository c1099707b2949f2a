"""Products of vectors and a matrix."""

import math

import jax
import jax.numpy as jnp

from .primitives import apply_here

#: Terms that are added up one after the other, or a few more.
_TERMS = 256
#: Numbers of the result up to which several short products cost no more than a long one.
_SMALL = 4096


def product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """Multiply vectors by a matrix.

    XLA on a CPU adds up all terms one after the other; of 2048 terms that are not negative on one side, as those behind
    a ReLU, the error is two to four times PyTorch's. Small results are therefore sums of sums.

    Args:
        x: Vectors, ``(..., in)``.
        matrix: ``(in, out)``.

    Returns:
        Vectors, ``(..., out)``.
    """
    length, width = matrix.shape
    parts = next(count for count in range(max(length // _TERMS, 1), 0, -1) if length % count == 0)
    if parts == 1 or math.prod(x.shape[:-1]) * width > _SMALL or not apply_here(x, matrix):
        return x @ matrix
    split = x.reshape(*x.shape[:-1], parts, length // parts)
    return jnp.einsum("...pi,pio->...po", split, matrix.reshape(parts, length // parts, width)).sum(-2)
