"""The model in training: in which dtype it computes, and what it remembers for the gradient."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from .arrays import Arrays, Skeleton, model_arrays
from .config import ComputeConfig

#: Operations that are dear to compute again; XLA's, and those of dilax.ops.
_DEAR = frozenset({"conv_general_dilated", "dot_general", "dilax_conv", "dilax_conv_input_gradient"})

Forward = Callable[[Arrays, Arrays, Array], tuple[Any, Arrays]]


def make_forward(skeleton: Skeleton, compute: ComputeConfig) -> Forward:
    """The model as a function of its arrays.

    Args:
        skeleton: The model, in training mode.
        compute: In which dtype, and whether all but convolutions is computed anew for the gradient.

    Returns:
        ``forward(parameters, variables, image) -> (outputs, variables)``; the variables keep their dtypes.
    """
    dtype = jnp.dtype(compute.dtype)

    def forward(parameters: Arrays, variables: Arrays, image: Array) -> tuple[Any, Arrays]:
        if dtype != jnp.float32:
            parameters = {name: _narrow(array, dtype) for name, array in parameters.items()}
            image = image.astype(dtype)
        built: Any = skeleton.build({**parameters, **variables})
        outputs = built(image)
        after = model_arrays(built, nnx.Not(nnx.Param))
        return outputs, {name: _like(array, variables[name]) for name, array in after.items()}

    return jax.checkpoint(forward, policy=_keep_dear) if compute.rematerialise else forward


def _narrow(array: Array, dtype: Any) -> Array:
    return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array


def _like(array: Array, before: Array) -> Array:
    return array if array.dtype == before.dtype else array.astype(before.dtype)


def _keep_dear(primitive: Any, *_arguments: Any, **_parameters: Any) -> bool:
    return primitive.name in _DEAR
