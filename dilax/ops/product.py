"""Products of vectors and a matrix."""

import functools
import math

import jax
import jax.numpy as jnp

from .primitives import apply_here

#: Terms that are added up one after the other in a short product.
_TERMS = 32
#: Columns up to which XLA's short products side by side cost no more than a long one.
_NARROW = 64
#: Products one after the other where there are more columns: their errors are as good, and the whole half as dear.
_SLICES = 8
#: Numbers of the result up to which several short products may be made of a long one.
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
    small = len(matrix) >= 2 * _TERMS and math.prod(x.shape[:-1]) * matrix.shape[1] <= _SMALL
    if not small or not apply_here(x, matrix):
        return x @ matrix
    return jax.lax.platform_dependent(x, matrix, cpu=_sum_of_sums, default=jnp.matmul)


def _sum_of_sums(x: jax.Array, matrix: jax.Array) -> jax.Array:
    length, width = matrix.shape
    parts = next(count for count in range(length // _TERMS, 0, -1) if length % count == 0)
    if width <= _NARROW and parts >= _SLICES:
        split = x.reshape(*x.shape[:-1], parts, length // parts)
        return jnp.einsum("...pi,pio->...po", split, matrix.reshape(parts, length // parts, width)).sum(-2)
    step = -(-length // _SLICES)
    slices = [slice(begin, begin + step) for begin in range(0, length, step)]
    return functools.reduce(jnp.add, [x[..., part] @ matrix[part] for part in slices])
