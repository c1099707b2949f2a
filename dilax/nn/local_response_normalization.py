"""Normalisation by neighbouring channels."""

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from .checks import number, positive


class LocalResponseNorm(nnx.Module):
    """Divides by ``(k + alpha * mean square of neighbouring channels) ** beta``.

    Args:
        size: Neighbouring channels, itself included; of an even number, one more before than after.
        alpha: Weight of the mean square.
        beta: Exponent.
        k: Added to it.

    Raises:
        ArgumentError: ``size`` is below 1, or the input has no spatial axis.

    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
    """

    def __init__(self, size: int, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        positive("LocalResponseNorm", size=size)
        number("LocalResponseNorm", alpha=alpha, beta=beta, k=k)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to the same shape."""
        if x.ndim < 3:
            raise ArgumentError(
                "LocalResponseNorm", "x", x.shape, "has no spatial axis", "pass (N, *spatial, C), e.g. (1, 7, 5)"
            )
        channels = x.shape[-1]
        around = [(0, 0)] * (x.ndim - 1) + [(self.size // 2, (self.size - 1) // 2)]
        squares = jnp.pad(jnp.square(x), around)
        total = sum((squares[..., start : start + channels] for start in range(self.size)), jnp.zeros_like(x))
        return x / (total / self.size * self.alpha + self.k) ** self.beta
