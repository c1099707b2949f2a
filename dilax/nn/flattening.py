"""Many axes into one and back, in PyTorch's order."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import is_integer
from .checks import axis, axis_of


def _channels_second(x: jax.Array) -> jax.Array:
    return jnp.moveaxis(x, -1, 1) if x.ndim > 2 else x


def _channels_last(x: jax.Array) -> jax.Array:
    return jnp.moveaxis(x, 1, -1) if x.ndim > 2 else x


class Flatten(nnx.Module):
    """Makes one axis of several, with the numbers in the order that PyTorch has them in.

    A feature map ``(N, *spatial, C)`` becomes ``(N, C * …)`` with all of the first channel first, so that a Linear
    layer after it finds its inputs where PyTorch's does.

    Args:
        start_dim: First of the axes, counted as PyTorch counts them: ``(N, C, *spatial)``.
        end_dim: Last of the axes, counted alike.
        channels: Whether an array of more than two axes has channels, last; if not, ``start_dim`` and ``end_dim`` count
            the axes of the array as it is, and nothing is moved.

    Raises:
        ArgumentError: The array has no such axes, or they are in the wrong order.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1, *, channels: bool = True) -> None:
        axis("Flatten", start_dim=start_dim, end_dim=end_dim)
        if (start_dim < 0) == (end_dim < 0) and start_dim > end_dim:
            raise ArgumentError("Flatten", "end_dim", end_dim, f"is before start_dim={start_dim}", "pass a later axis")
        self.start_dim, self.end_dim, self.channels = start_dim, end_dim, channels

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to ``(N, C * …)``; if channels are not among the axes, they stay last."""
        if x.ndim == 0:
            return x.reshape(1)
        start = axis_of("Flatten", "start_dim", self.start_dim, x.ndim)
        end = axis_of("Flatten", "end_dim", self.end_dim, x.ndim)
        if start > end:
            raise ArgumentError(
                "Flatten", "end_dim", self.end_dim,
                f"is before start_dim={self.start_dim} in an array of {x.ndim} axes", "pass a later axis",
            )  # fmt: skip
        x = _channels_second(x) if self.channels else x
        x = x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])
        return _channels_last(x) if self.channels and start > 1 else x


class Unflatten(nnx.Module):
    """Makes several axes of one, with the numbers in the order that PyTorch has them in.

    ``(N, F)`` becomes a feature map ``(N, *spatial, C)``, where PyTorch's is ``(N, C, *spatial)``.

    Args:
        dim: The axis, counted as PyTorch counts them: ``(N, C, *spatial)``.
        unflattened_size: Sizes of the new axes in PyTorch's order; one may be -1.
        channels: Whether an array of more than two axes has channels, last; if not, ``dim`` counts the axes of the
            array as it is, and nothing is moved.

    Raises:
        ArgumentError: The array has no such axis, or the sizes do not multiply to its size.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int], *, channels: bool = True) -> None:
        axis("Unflatten", dim=dim)
        sizes = unflattened_size if isinstance(unflattened_size, Sequence) else ()
        if not sizes or not all(is_integer(size) and size >= -1 for size in sizes) or list(sizes).count(-1) > 1:
            raise ArgumentError(
                "Unflatten", "unflattened_size", unflattened_size, "is no sequence of sizes",
                "pass one, e.g. (8, 4, 4); at most one size may be -1",
            )  # fmt: skip
        self.dim, self.unflattened_size, self.channels = dim, tuple(unflattened_size), channels

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, F)`` to ``(N, *spatial, C)``; other arrays alike."""
        dim = axis_of("Unflatten", "dim", self.dim, x.ndim)
        x = _channels_second(x) if self.channels else x
        known = math.prod(size for size in self.unflattened_size if size >= 0)
        missing = self.unflattened_size.count(-1)
        if missing > 1 or (x.shape[dim] % max(known, 1) if missing else x.shape[dim] != known):
            raise ArgumentError(
                "Unflatten", "unflattened_size", self.unflattened_size, f"does not multiply to {x.shape[dim]}",
                "pass sizes that do; at most one may be -1",
            )  # fmt: skip
        x = x.reshape(*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :])
        return _channels_last(x) if self.channels else x
