"""Activations made of straight lines and parabolas, with PyTorch's slopes at the kinks."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..errors import ArgumentError
from .checks import finite, not_negative, number, positive, stream
from .dtypes import promote
from .elementary import clamp


class ReLU6(nnx.Module):
    """``min(max(x, 0), 6)``; any shape.

    Source: Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        return clamp(x, 0, 6)


class LeakyReLU(nnx.Module):
    """``x`` where positive, else ``negative_slope * x``; any shape.

    Args:
        negative_slope: Slope below 0.

    Raises:
        ArgumentError: ``negative_slope`` is no number.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        number("LeakyReLU", negative_slope=negative_slope)
        self.negative_slope = negative_slope

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.where(x > 0, x, self.negative_slope * x)


class PReLU(nnx.Module):
    """``x`` where positive, else ``weight * x``, with learned slopes.

    Args:
        num_parameters: 1, or the number of channels for a slope of each.
        init: Initial slope.
        dtype: Dtype of the slopes.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and slopes.

    Attributes:
        weight: ``(num_parameters,)``.

    Raises:
        ArgumentError: ``num_parameters`` is below 1, or neither 1 nor the input's channels.

    Source: He et al., "Delving Deep into Rectifiers", 2015.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        *,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
    ) -> None:
        positive("PReLU", num_parameters=num_parameters)
        number("PReLU", init=init)
        self.num_parameters, self.compute_dtype = num_parameters, compute_dtype
        self.weight = nnx.Param(jnp.full(num_parameters, init, dtype))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to the same shape; with one slope, any shape."""
        channels = x.shape[-1] if x.ndim > 1 else 1
        if self.num_parameters not in (1, channels):
            raise ArgumentError(
                "PReLU", "x", x.shape, f"has {channels} channels for num_parameters={self.num_parameters}",
                "pass an array with that many channels, last, or make the layer with one slope",
            )  # fmt: skip
        x, weight = promote(self.compute_dtype, x, self.weight[...])
        if self.num_parameters == 1:
            weight = weight.reshape(())
        return jnp.where(x > 0, x, weight * x)


class RReLU(nnx.Module):
    """``x`` where positive, else ``x`` times a random slope, in evaluation times the mean slope; any shape.

    Args:
        lower: Smallest slope.
        upper: Largest slope.
        rngs: Where the slopes come from, stream ``dropout``; its state is part of the module's.

    Raises:
        ArgumentError: ``upper`` is below ``lower``, or one of them is not finite.

    Source: Xu et al., "Empirical Evaluation of Rectified Activations in Convolution Network", 2015.
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, *, rngs: nnx.Rngs) -> None:
        finite("RReLU", lower=lower, upper=upper)
        if upper < lower:
            raise ArgumentError("RReLU", "upper", upper, f"is below lower={lower}", "pass a larger one")
        self.lower, self.upper = lower, upper
        self.deterministic = False
        self.rngs = stream("RReLU", rngs, "dropout").fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.deterministic:
            return jnp.where(x > 0, x, (self.lower + self.upper) / 2 * x)
        slope = jax.random.uniform(self.rngs(), x.shape, x.dtype, self.lower, self.upper)
        return jnp.where(x > 0, x, slope * x)


class Hardswish(nnx.Module):
    """``x * min(max(x + 3, 0), 6) / 6``; any shape.

    Source: Howard et al., "Searching for MobileNetV3", 2019.
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        return x * clamp(x + 3, 0, 6) / 6


@jax.custom_jvp
def _hard_sigmoid(x: jax.Array) -> jax.Array:
    return clamp(x + 3, 0, 6) / 6


@_hard_sigmoid.defjvp
def _hard_sigmoid_slope(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x,), (tangent,) = primals, tangents
    # PyTorch's sixth is rounded to float32 whatever the dtype.
    sixth = float(np.float32(1) / np.float32(6))
    return _hard_sigmoid(x), jnp.where((x > -3) & (x < 3), sixth * tangent, 0)


class Hardsigmoid(nnx.Module):
    """``min(max(x + 3, 0), 6) / 6``; any shape."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return _hard_sigmoid(x)


class Hardtanh(nnx.Module):
    """``min(max(x, min_val), max_val)``; any shape.

    Args:
        min_val: Smallest output.
        max_val: Largest output.

    Raises:
        ArgumentError: ``max_val`` is not above ``min_val``.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        number("Hardtanh", min_val=min_val, max_val=max_val)
        if not max_val > min_val:
            raise ArgumentError("Hardtanh", "max_val", max_val, f"is not above min_val={min_val}", "pass a larger one")
        self.min_val, self.max_val = min_val, max_val

    def __call__(self, x: jax.Array) -> jax.Array:
        return clamp(x, self.min_val, self.max_val)


class Hardshrink(nnx.Module):
    """``x`` where it is further than ``lambd`` from 0, else 0; any shape.

    Args:
        lambd: Half the width of the gap.

    Raises:
        ArgumentError: ``lambd`` is no number.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        number("Hardshrink", lambd=lambd)
        self.lambd = lambd

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.where((x >= -self.lambd) & (x <= self.lambd), 0, x)


class Softshrink(nnx.Module):
    """``x`` moved towards 0 by ``lambd``, and 0 where it would pass it; any shape.

    Args:
        lambd: How far; at least 0.

    Raises:
        ArgumentError: ``lambd`` is below 0 or not finite.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        finite("Softshrink", lambd=lambd)
        not_negative("Softshrink", lambd=lambd)
        self.lambd = lambd

    def __call__(self, x: jax.Array) -> jax.Array:
        inside = (x >= -self.lambd) & (x <= self.lambd)
        return jnp.where(inside, 0, jnp.where(x > 0, x - self.lambd, x + self.lambd))


class Threshold(nnx.Module):
    """``x`` where it is above ``threshold``, else ``value``; any shape.

    Args:
        threshold: Where the result begins to be ``x``.
        value: The result elsewhere.

    Raises:
        ArgumentError: An argument is no number.
    """

    def __init__(self, threshold: float, value: float) -> None:
        number("Threshold", threshold=threshold, value=value)
        self.threshold, self.value = threshold, value

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.where(x <= self.threshold, jnp.asarray(self.value, x.dtype), x)
