"""Smooth activations and rectifiers as modules, so that they stand in a Sequential and are compared one by one."""

import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import one_of
from .checks import number
from .elementary import expm1_of_negative, softplus, tanh


class ReLU(nnx.Module):
    """``max(x, 0)``; any shape."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.where(x <= 0, 0, x)  # the slope at 0 is 0, where that of jnp.maximum is one half


class ELU(nnx.Module):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``; any shape.

    Args:
        alpha: The value that very negative inputs approach, negated.

    Raises:
        ArgumentError: ``alpha`` is no number.

    Source: Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units", 2016.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        number("ELU", alpha=alpha)
        self.alpha = alpha

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.where(x > 0, x, self.alpha * expm1_of_negative(jnp.where(x > 0, 0, x)))


class CELU(nnx.Module):
    """``x`` where positive, else ``alpha * (exp(x / alpha) - 1)``, whose slope at 0 is 1; any shape.

    Args:
        alpha: The value that very negative inputs approach, negated; not 0.

    Raises:
        ArgumentError: ``alpha`` is 0 or no number.

    Source: Barron, "Continuously Differentiable Exponential Linear Units", 2017.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        number("CELU", alpha=alpha)
        if alpha == 0:
            raise ArgumentError("CELU", "alpha", alpha, "is 0, which divides the input", "pass another number, e.g. 1")
        self.alpha = alpha

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.alpha < 0:
            return jnp.where(x > 0, x, self.alpha * jnp.expm1(jnp.where(x > 0, 0, x) / self.alpha))
        return jnp.where(x > 0, x, self.alpha * expm1_of_negative(jnp.where(x > 0, 0, x) / self.alpha))


class SELU(nnx.Module):
    """``scale * x`` where positive, else ``scale * alpha * (exp(x) - 1)``, with the two constants of the paper.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        negative = 1.6732632423543772848170429916717 * expm1_of_negative(jnp.where(x > 0, 0, x))
        return 1.0507009873554804934193349852946 * jnp.where(x > 0, x, negative)


class GELU(nnx.Module):
    """``x`` times the normal distribution function of ``x``; any shape.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the approximation by a hyperbolic tangent.

    Raises:
        ArgumentError: ``approximate`` is neither.

    Differs from ``jax.nn.gelu``: exact by default, as in PyTorch, where that defaults to the tanh approximation.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        one_of("GELU", "approximate", approximate, ("none", "tanh"))
        self.approximate = approximate

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.approximate == "none":
            return jax.nn.gelu(x, approximate=False)
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


class SiLU(nnx.Module):
    """``x * sigmoid(x)``, also called swish; any shape.

    Source: Elfwing et al., "Sigmoid-weighted linear units", 2017.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        return x * jax.nn.sigmoid(x)


class Mish(nnx.Module):
    """``x * tanh(softplus(x))``; any shape.

    Source: Misra, "Mish: A Self Regularized Non-Monotonic Neural Activation Function", 2019.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        return x * tanh(softplus(x))


class Softplus(nnx.Module):
    """``log(1 + exp(beta * x)) / beta``, and ``x`` itself above a threshold; any shape.

    Args:
        beta: How sharp the bend at 0 is.
        threshold: Where ``beta * x`` is above it, the result is ``x``.

    Raises:
        ArgumentError: An argument is no number.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        number("Softplus", beta=beta, threshold=threshold)
        self.beta, self.threshold = beta, threshold

    def __call__(self, x: jax.Array) -> jax.Array:
        linear = x * self.beta > self.threshold
        # Also where the result is not taken, its slope must be finite.
        bent = jnp.log1p(jnp.exp(jnp.where(linear, 0, x * self.beta))) / self.beta
        return jnp.where(linear, x, bent)


class Softsign(nnx.Module):
    """``x / (1 + |x|)``; any shape."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x / (1 + jnp.abs(x))


class Sigmoid(nnx.Module):
    """``1 / (1 + exp(-x))``; any shape."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(x)


class LogSigmoid(nnx.Module):
    """``log(sigmoid(x))``, finite for very negative inputs; any shape."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return -softplus(-x)


class Tanh(nnx.Module):
    """Hyperbolic tangent; any shape."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return tanh(x)


class Tanhshrink(nnx.Module):
    """``x - tanh(x)``; any shape."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x - tanh(x)


#: Activations by the names that configurations use.
ACTIVATIONS: dict[str, Callable[[], nnx.Module]] = {"elu": ELU, "gelu": GELU, "relu": ReLU}
