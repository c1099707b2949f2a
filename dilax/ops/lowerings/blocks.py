"""A grouped convolution as a few dense ones."""

import math

import jax
import jax.numpy as jnp

from ..problem import Contraction, Problem

# Channels of a block: fewer leave XLA's fast path idle, more are mostly zeros (measured 2026-11-24 on 65² samples).
_CHANNELS = 32


def blocks(x: jax.Array, kernel: jax.Array, problem: Problem, dense: Contraction) -> jax.Array:
    """Neighbouring groups share one dense convolution, whose kernel is zero between them."""
    count, members = _split(kernel.shape[-2], problem.groups)
    one = problem._replace(groups=1)
    c_group, c_out = kernel.shape[-2], kernel.shape[-1] // problem.groups
    parts = kernel.reshape(*problem.kernel_size, c_group, count, members, c_out)
    # (…, block, member of the input, channel, member of the output, channel)
    spread = jnp.einsum("...cbmo,nm->...bncmo", parts, jnp.eye(members, dtype=kernel.dtype))
    spread = spread.reshape(*problem.kernel_size, count, members * c_group, members * c_out)
    inputs = jnp.split(x, count, axis=-1)
    return jnp.concatenate([dense(part, spread[..., index, :, :], one) for index, part in enumerate(inputs)], axis=-1)


def blocks_kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem, dense: Contraction) -> jax.Array:
    """The kernel's gradient of :func:`blocks`: of each dense one, what lies between groups is dropped."""
    c_group, c_out = x.shape[-1] // problem.groups, out_gradient.shape[-1] // problem.groups
    count, members = _split(c_group, problem.groups)
    one = problem._replace(groups=1)
    pairs = zip(jnp.split(x, count, axis=-1), jnp.split(out_gradient, count, axis=-1), strict=True)
    gradients = []
    for part, part_gradient in pairs:
        whole = dense(part, part_gradient, one).reshape(*problem.kernel_size, members, c_group, members, c_out)
        own = jnp.diagonal(whole, axis1=-4, axis2=-2)  # (…, channel, channel of the output, member)
        gradients.append(jnp.swapaxes(own, -1, -2).reshape(*problem.kernel_size, c_group, members * c_out))
    return jnp.concatenate(gradients, axis=-1)


def _split(c_group: int, groups: int) -> tuple[int, int]:
    """How many blocks there are, and how many groups each has."""
    members = math.gcd(groups, max(1, 2 ** round(math.log2(max(1, _CHANNELS / c_group)))))
    return groups // members, members
