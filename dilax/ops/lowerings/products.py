"""A convolution of one tap is a product of matrices, which XLA computes as fast as any."""

import jax
from jax import lax

from ..problem import Problem


def is_product(problem: Problem) -> bool:
    """Whether each place of the output sees one place of the input, the same, and all channels of it."""
    ones = (1,) * problem.axes
    unpadded = all(pads == (0, 0) for pads in problem.pads)
    return problem.kernel_size == ones and problem.stride == ones and unpadded and problem.groups == 1


def product(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native`, where :func:`is_product`."""
    return _contract(x, kernel, 0, problem)


def product_input_gradient(out_gradient: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_input_gradient`, where :func:`is_product`."""
    return _contract(out_gradient, kernel, 1, problem)


def _contract(channels_last: jax.Array, kernel: jax.Array, axis: int, problem: Problem) -> jax.Array:
    matrix = kernel.reshape(kernel.shape[-2:])
    contracted = ((channels_last.ndim - 1,), (axis,))
    return lax.dot_general(channels_last, matrix, (contracted, ((), ())), precision=problem.precision)
