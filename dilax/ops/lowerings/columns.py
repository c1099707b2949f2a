"""A convolution as a product of matrices, with what each place sees in a row of one of them."""

import itertools
import math

import jax
import jax.numpy as jnp
from jax import lax

from ..problem import Problem
from .taps import padded, window, windows


def columns(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """One product with all taps side by side; for one group. Takes the input's memory once for each tap."""
    seen = jnp.concatenate([part for _, part in windows(x, problem)], axis=-1)
    total = jnp.promote_types(x.dtype, jnp.float32)
    product = lax.dot_general(
        seen.reshape(-1, seen.shape[-1]), kernel.reshape(seen.shape[-1], -1), (((1,), (0,)), ((), ())),
        precision=problem.precision, preferred_element_type=total,
    )  # fmt: skip
    return product.reshape(x.shape[0], *problem.out_size, -1).astype(x.dtype)


def columns_kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """The kernel's gradient by one product for each row of taps, which stand side by side, of all groups at once."""
    groups = problem.groups
    c_in, c_out = x.shape[-1] // groups, out_gradient.shape[-1] // groups
    places, taps = x.shape[0] * math.prod(problem.out_size), problem.kernel_size[-1]
    total = jnp.promote_types(x.dtype, jnp.float32)
    x, right = padded(x, problem), out_gradient.reshape(places, groups, c_out)
    rows: list[jax.Array] = []
    for first in itertools.product(*map(range, problem.kernel_size[:-1])):
        if rows:  # one after the other: side by side they would take the input's memory once for each tap
            x, right, rows[-1] = lax.optimization_barrier((x, right, rows[-1]))
        seen = [window(x, (*first, tap), problem) for tap in range(taps)]
        left = jnp.stack(seen, axis=-2).reshape(places, taps, groups, c_in)
        rows.append(
            jnp.einsum(
                "ptgi,pgo->tigo", left, right, precision=problem.precision, preferred_element_type=total
            ).astype(x.dtype)
        )  # fmt: skip
    return jnp.stack(rows).reshape(*problem.kernel_size, c_in, groups * c_out)
