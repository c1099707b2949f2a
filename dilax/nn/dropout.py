"""Dropouts: of single numbers or of whole channels, to zero or to the value that self-normalising networks need."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from .checks import share, stream


def _keeps(rngs: nnx.RngStream, shape: tuple[int, ...], p: float) -> jax.Array:
    """True with probability ``1 - p``."""
    return jax.random.bernoulli(rngs(), 1 - p, shape)


def _channels(layer: str, x: jax.Array) -> tuple[int, ...]:
    """The shape of one number for each sample and channel."""
    if x.ndim < 2:
        raise ArgumentError(layer, "x", x.shape, "has no samples and channels", "pass (N, *spatial, C), e.g. (1, 7, 5)")
    return (x.shape[0], *(1 for _ in x.shape[1:-1]), x.shape[-1])


def dropout(x: jax.Array, rngs: nnx.RngStream, p: float, shape: tuple[int, ...] | None = None) -> jax.Array:
    """``x`` with a share ``p`` set to 0 and the rest scaled by ``1 / (1 - p)``.

    Args:
        x: Any shape.
        rngs: Where the mask comes from.
        p: Share to drop, from 0 to 1.
        shape: Shape of the mask, which broadcasts to that of ``x``; its own if None.
    """
    if p == 0:
        return x
    if p == 1:
        return jnp.zeros_like(x)
    return jnp.where(_keeps(rngs, x.shape if shape is None else shape, p), x / (1 - p), 0)


def _alpha_dropout(x: jax.Array, rngs: nnx.RngStream, p: float, shape: tuple[int, ...]) -> jax.Array:
    """``x`` with a share ``p`` set to SELU's lower limit, then scaled and moved to mean 0 and variance 1."""
    if p == 0:
        return x
    if p == 1:
        return jnp.zeros_like(x)
    limit = -1.7580993408473766  # of SELU for very negative inputs
    scale = 1 / math.sqrt((limit**2 * p + 1) * (1 - p))
    shift = -scale * limit * p
    return jnp.where(_keeps(rngs, shape, p), x, limit) * scale + shift


class Dropout(nnx.Module):
    """Drops single numbers in training and scales the others by ``1 / (1 - p)``; any shape.

    Args:
        p: Share to drop, from 0 to 1.
        rngs: Where the masks come from, stream ``dropout``; its state is part of the module's.

    Raises:
        ArgumentError: ``p`` is outside [0, 1].

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """

    def __init__(self, p: float = 0.5, *, rngs: nnx.Rngs) -> None:
        share("Dropout", "p", p)
        self.p = p
        self.deterministic = False
        self.rngs = stream("Dropout", rngs, "dropout").fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        return x if self.deterministic else dropout(x, self.rngs, self.p)


class FeatureDropout(nnx.Module):
    """Drops whole channels of each sample in training and scales the others, as ``torch.nn.Dropout1d/2d/3d``.

    Neighbouring samples of a feature map say nearly the same, so dropping them one by one drops no information.

    Args:
        p: Share of channels to drop, from 0 to 1.
        rngs: Where the masks come from, stream ``dropout``; its state is part of the module's.

    Raises:
        ArgumentError: ``p`` is outside [0, 1].

    Differs from PyTorch: the first axis is always the batch, so ``(L, C)`` is no unbatched sequence.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """

    def __init__(self, p: float = 0.5, *, rngs: nnx.Rngs) -> None:
        share("FeatureDropout", "p", p)
        self.p = p
        self.deterministic = False
        self.rngs = stream("FeatureDropout", rngs, "dropout").fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to the same shape."""
        return x if self.deterministic else dropout(x, self.rngs, self.p, _channels("FeatureDropout", x))


class AlphaDropout(nnx.Module):
    """Drops single numbers to SELU's lower limit in training, keeping mean 0 and variance 1; any shape.

    Args:
        p: Share to drop, from 0 to 1.
        rngs: Where the masks come from, stream ``dropout``; its state is part of the module's.

    Raises:
        ArgumentError: ``p`` is outside [0, 1].

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    def __init__(self, p: float = 0.5, *, rngs: nnx.Rngs) -> None:
        share("AlphaDropout", "p", p)
        self.p = p
        self.deterministic = False
        self.rngs = stream("AlphaDropout", rngs, "dropout").fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        return x if self.deterministic else _alpha_dropout(x, self.rngs, self.p, x.shape)


class FeatureAlphaDropout(nnx.Module):
    """Drops whole channels of each sample to SELU's lower limit in training, keeping mean 0 and variance 1.

    Args:
        p: Share of channels to drop, from 0 to 1.
        rngs: Where the masks come from, stream ``dropout``; its state is part of the module's.

    Raises:
        ArgumentError: ``p`` is outside [0, 1].

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    def __init__(self, p: float = 0.5, *, rngs: nnx.Rngs) -> None:
        share("FeatureAlphaDropout", "p", p)
        self.p = p
        self.deterministic = False
        self.rngs = stream("FeatureAlphaDropout", rngs, "dropout").fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to the same shape."""
        return x if self.deterministic else _alpha_dropout(x, self.rngs, self.p, _channels("FeatureAlphaDropout", x))
