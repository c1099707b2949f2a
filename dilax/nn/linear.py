"""Linear and bilinear maps of the last axis."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..ops.product import product
from .checks import broadcast, last_axis, positive, stream
from .dtypes import promote
from .initial import uniform
from .moments import affine


class Identity(nnx.Module):
    """Gives back what it is given."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x


class Linear(nnx.Module):
    """Multiplies the last axis by a matrix and adds a bias.

    Args:
        in_features: Entries of the last axis of the input.
        out_features: Entries of the last axis of the output.
        bias: Whether there is a bias.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and parameters.
        kernel_init: What the kernel begins with, called with a key, a shape and a dtype, such as one of
            ``flax.nnx.initializers``; if None, PyTorch's distribution.
        bias_init: The same of the bias.
        rngs: Where the initial values come from.

    Attributes:
        kernel: ``(in_features, out_features)``, PyTorch's ``weight`` transposed.
        bias: ``(out_features,)``, or None.

    Raises:
        ArgumentError: A size is below 1, or the input does not end with ``in_features``.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        kernel_init: nnx.Initializer | None = None,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        positive("Linear", in_features=in_features, out_features=out_features)
        stream("Linear", rngs, "params")
        self.in_features, self.out_features, self.compute_dtype = in_features, out_features, compute_dtype
        bound = 1 / math.sqrt(in_features)
        self.kernel = nnx.Param(uniform(rngs, (in_features, out_features), dtype, bound, kernel_init))
        self.bias = nnx.Param(uniform(rngs, (out_features,), dtype, bound, bias_init)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(…, in_features)`` to ``(…, out_features)``."""
        last_axis("Linear", x, self.in_features, "in_features")
        bias = None if self.bias is None else self.bias[...]
        x, kernel, bias = promote(self.compute_dtype, x, self.kernel[...], bias)
        return affine(product(x, kernel), None, bias)


class Bilinear(nnx.Module):
    """For each output a matrix between two inputs, and a bias.

    Args:
        in1_features: Entries of the last axis of the first input.
        in2_features: Entries of the last axis of the second input.
        out_features: Entries of the last axis of the output.
        bias: Whether there is a bias.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds inputs and parameters.
        rngs: Where the initial values come from.

    Attributes:
        kernel: ``(in1_features, in2_features, out_features)``.
        bias: ``(out_features,)``, or None.

    Raises:
        ArgumentError: A size is below 1, or an input does not end with its number of features.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        *,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        positive("Bilinear", in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        stream("Bilinear", rngs, "params")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.compute_dtype = compute_dtype
        bound = 1 / math.sqrt(in1_features)
        self.kernel = nnx.Param(uniform(rngs, (in1_features, in2_features, out_features), dtype, bound))
        self.bias = nnx.Param(uniform(rngs, (out_features,), dtype, bound)) if bias else None

    def __call__(self, x1: jax.Array, x2: jax.Array) -> jax.Array:
        """Map ``(…, in1_features)`` and ``(…, in2_features)`` to ``(…, out_features)``."""
        last_axis("Bilinear", x1, self.in1_features, "in1_features")
        last_axis("Bilinear", x2, self.in2_features, "in2_features")
        broadcast("Bilinear", x1.shape[:-1], x2.shape[:-1])
        bias = None if self.bias is None else self.bias[...]
        x1, x2, kernel, bias = promote(self.compute_dtype, x1, x2, self.kernel[...], bias)
        y = jnp.einsum("...i,ijk,...j->...k", x1, kernel, x2)
        return affine(y, None, bias)
