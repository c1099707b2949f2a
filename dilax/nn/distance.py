"""Distances and similarities between vectors."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import flag
from .checks import axis, axis_of, broadcast, not_negative, number


def _norm(x: jax.Array, dim: int, *, keepdims: bool = False) -> jax.Array:
    """Euclidean norm, whose slope at 0 is 0 instead of NaN."""
    square = jnp.square(x).sum(dim, keepdims=keepdims)
    return jnp.where(square == 0, 0, jnp.sqrt(jnp.where(square == 0, 1, square)))


class CosineSimilarity(nnx.Module):
    """Cosine of the angle between vectors.

    Args:
        dim: The axis that the vectors are along, of the broadcast arrays.
        eps: Smallest norm to divide by.

    Raises:
        ArgumentError: An argument is out of range, or the arrays do not broadcast or have no such axis.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        axis("CosineSimilarity", dim=dim)
        not_negative("CosineSimilarity", eps=eps)
        self.dim, self.eps = dim, eps

    def __call__(self, x1: jax.Array, x2: jax.Array) -> jax.Array:
        """Map two arrays that broadcast together to their shape without ``dim``."""
        dim = axis_of("CosineSimilarity", "dim", self.dim, len(broadcast("CosineSimilarity", x1.shape, x2.shape)))
        units = []
        for x in jnp.broadcast_arrays(x1, x2):
            norm = _norm(x, dim, keepdims=True)
            # As in PyTorch, the limit moves the value and not the slope.
            units.append(x / (norm + jax.lax.stop_gradient(jnp.maximum(norm, self.eps) - norm)))
        return (units[0] * units[1]).sum(dim)


class PairwiseDistance(nnx.Module):
    """Norm of the difference of vectors along the last axis, to whose entries ``eps`` is added.

    Args:
        p: Exponent of the norm; also 0, negative or infinite.
        eps: Added to each difference.
        keepdim: Whether the last axis stays, with one entry.

    Raises:
        ArgumentError: An argument is of the wrong type, or the arrays do not broadcast or are no vectors.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        number("PairwiseDistance", p=p, eps=eps)
        flag("PairwiseDistance", keepdim=keepdim)
        self.p, self.eps, self.keepdim = p, eps, keepdim

    def __call__(self, x1: jax.Array, x2: jax.Array) -> jax.Array:
        """Map two arrays that broadcast together to their shape without the last axis."""
        if not broadcast("PairwiseDistance", x1.shape, x2.shape):
            raise ArgumentError("PairwiseDistance", "x1", x1.shape, "is no vector", "pass arrays of one axis or more")
        difference = x1 - x2 + self.eps
        if self.p == 2:
            return _norm(difference, -1, keepdims=self.keepdim)
        size = jnp.abs(difference)
        if self.p == math.inf:
            return size.max(-1, keepdims=self.keepdim)
        if self.p == -math.inf:
            return size.min(-1, keepdims=self.keepdim)
        if self.p == 0:
            return (size != 0).astype(size.dtype).sum(-1, keepdims=self.keepdim)
        return (size**self.p).sum(-1, keepdims=self.keepdim) ** (1 / self.p)
