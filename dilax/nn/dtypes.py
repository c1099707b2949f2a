"""The dtype that a layer computes in."""

from typing import Any

import jax
import jax.numpy as jnp


def promote(compute_dtype: Any, *arrays: jax.Array | None) -> tuple[Any, ...]:
    """The arrays in one dtype: ``compute_dtype``, or if that is None the smallest that holds them all."""
    dtype = compute_dtype or jnp.result_type(*(array for array in arrays if array is not None))
    return tuple(None if array is None else array.astype(dtype) for array in arrays)
