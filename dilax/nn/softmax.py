"""Activations that look along an axis: softmaxes and gated linear units."""

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from .checks import axis, axis_of


class Softmax(nnx.Module):
    """``exp(x)``, divided by its sum along an axis.

    Args:
        dim: The axis, of the array that the layer is given.

    Raises:
        ArgumentError: ``dim`` is no integer, or no axis of the input. (PyTorch guesses an axis for None, and warns.)
    """

    def __init__(self, dim: int) -> None:
        axis("Softmax", dim=dim)
        self.dim = int(dim)

    def __call__(self, x: jax.Array) -> jax.Array:
        dim = axis_of("Softmax", "dim", self.dim, max(x.ndim, 1))
        return jnp.ones_like(x) if x.ndim == 0 else jax.nn.softmax(x, dim)


class Softmin(nnx.Module):
    """``exp(-x)``, divided by its sum along an axis.

    Args:
        dim: The axis, of the array that the layer is given.

    Raises:
        ArgumentError: ``dim`` is no integer, or no axis of the input. (PyTorch guesses an axis for None, and warns.)
    """

    def __init__(self, dim: int) -> None:
        axis("Softmin", dim=dim)
        self.dim = int(dim)

    def __call__(self, x: jax.Array) -> jax.Array:
        dim = axis_of("Softmin", "dim", self.dim, max(x.ndim, 1))
        return jnp.ones_like(x) if x.ndim == 0 else jax.nn.softmax(-x, dim)


class LogSoftmax(nnx.Module):
    """Logarithm of :class:`Softmax`, finite where that is 0.

    Args:
        dim: The axis, of the array that the layer is given.

    Raises:
        ArgumentError: ``dim`` is no integer, or no axis of the input. (PyTorch guesses an axis for None, and warns.)
    """

    def __init__(self, dim: int) -> None:
        axis("LogSoftmax", dim=dim)
        self.dim = int(dim)

    def __call__(self, x: jax.Array) -> jax.Array:
        dim = axis_of("LogSoftmax", "dim", self.dim, max(x.ndim, 1))
        return jnp.zeros_like(x) if x.ndim == 0 else jax.nn.log_softmax(x, dim)


class Softmax2d(nnx.Module):
    """Softmax over the channels of each pixel; ``(N, H, W, C)`` or ``(H, W, C)``.

    Raises:
        ArgumentError: The input has another number of axes.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, H, W, C)`` or ``(H, W, C)`` to the same shape."""
        if x.ndim not in (3, 4):
            raise ArgumentError(
                "Softmax2d", "x", x.shape, "is no (N, H, W, C) or (H, W, C)", "pass 3 or 4 axes, or use Softmax"
            )
        return jax.nn.softmax(x, -1)


class GLU(nnx.Module):
    """First half of an axis times the sigmoid of the second half.

    Args:
        dim: The axis, of the array that the layer is given.

    Raises:
        ArgumentError: ``dim`` is no axis of the input, or one with an odd number of entries.

    Source: Dauphin et al., "Language Modeling with Gated Convolutional Networks", 2017.
    """

    def __init__(self, dim: int = -1) -> None:
        axis("GLU", dim=dim)
        self.dim = int(dim)

    def __call__(self, x: jax.Array) -> jax.Array:
        dim = axis_of("GLU", "dim", self.dim, max(x.ndim, 1))
        if x.ndim == 0 or x.shape[dim] % 2:
            raise ArgumentError(
                "GLU", "x", x.shape, f"has no even number of entries along axis {self.dim}",
                "pass an even number, half of which are gates",
            )  # fmt: skip
        values, gates = jnp.split(x, 2, dim)
        return values * jax.nn.sigmoid(gates)
