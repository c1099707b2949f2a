"""The kernel's gradient as a convolution in which batch and channels change places."""

import jax
import jax.numpy as jnp

from ..problem import Problem, native


def swapped_kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """The kernel's gradient as a convolution in which batch and channels change places; for one group.

    XLA would rewrite its own gradient into this, but only at the outermost level of a program: inside ``lax.scan`` its
    own is some twenty times slower on a CPU. Written out it is as fast everywhere.
    """
    turned_x = jnp.moveaxis(x, (-1, 0), (0, -1))
    turned_gradient = jnp.moveaxis(out_gradient, 0, -2)
    # The windows are the taps, so the padding behind is what the last tap sees.
    pads = tuple(
        (before, reach + (out - 1) * step + 1 - length - before)
        for (before, _), reach, out, step, length in zip(
            problem.pads, problem.reach, problem.out_size, problem.stride, problem.size, strict=True
        )
    )
    turned = problem._replace(pads=pads, stride=problem.dilation, dilation=problem.stride)
    return jnp.moveaxis(native(turned_x, turned_gradient, turned), 0, -2)
