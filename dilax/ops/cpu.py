"""Which of XLA's operations compute a convolution fastest on a CPU, where :mod:`dilax.ops.compiled` does not.

Measured 2026-11-24 on 2 cores with jax 0.10.2, medians of 7, by ``tests/benchmarks``; times in ms, torch's in brackets.

===============================  ===================  ==================  ========================
case                             XLA's own            here                by
===============================  ===================  ==================  ========================
2-D 65², 256→256, d2             25 (22)              25                  XLA's own
2-D 33², 2048→256, d12           68 (32)              46                  taps: 57 % meet the input
2-D 65², 2048→256, d36           531 (82)             121                 taps: 40 % meet the input
2-D 65², 2048→512, one tap       292 (50)             54                  product
2-D 65², 512 depthwise, d2       60 (3.2)             2.3                 group_taps
2-D 65², 256→256, 32 groups      34 (3.5)             5.0                 group_taps
2-D 65², 256→256, 4 groups       49 (12)              14                  blocks
3-D 96³, 21→21, d4               thousands (441)      321                 depth_slabs
kernel gradient in ``lax.scan``  20 times that of     as outside          swapped_kernel_gradient
                                 the same outside
===============================  ===================  ==================  ========================
"""

import jax

from . import lowerings
from .problem import Problem, flipped, native

# Groups of so few channels are multiplied and added one by one.
_FEW = 8
# Below this share of taps that meet the input, leaving the others out pays for less orderly work.
_WORTH_TRIMMING = 0.7
# From here on XLA's own convolution no longer fits its caches.
_MANY = 1024


def forward(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native`."""
    if lowerings.is_product(problem):
        return lowerings.product(x, kernel, problem)
    c_group = kernel.shape[-2]
    if problem.groups > 1:
        if c_group <= _FEW:
            return lowerings.group_taps(x, kernel, problem)
        return lowerings.blocks(x, kernel, problem, forward)
    if problem.axes == 3:
        folds = lowerings.folds(problem) and max(problem.kernel_size) > 1
        return (lowerings.depth_slabs if folds else lowerings.taps)(x, kernel, problem)
    if max(problem.kernel_size) > 1 and (problem.met_share < _WORTH_TRIMMING or c_group >= _MANY):
        return lowerings.taps(x, kernel, problem)
    return native(x, kernel, problem)


def input_gradient(out_gradient: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_input_gradient`."""
    if lowerings.is_product(problem):
        return lowerings.product_input_gradient(out_gradient, kernel, problem)
    if all(step == 1 for step in problem.stride):
        return forward(out_gradient, *flipped(kernel, problem))
    if lowerings.divides(problem, kernel.shape[-2] * problem.groups):
        return lowerings.phases(out_gradient, kernel, problem)
    return lowerings.stuffed(out_gradient, kernel, problem, forward)


def kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_kernel_gradient`."""
    if problem.groups > 1:
        if x.shape[-1] == problem.groups:
            return lowerings.depthwise_kernel_gradient(x, out_gradient, problem)
        return lowerings.blocks_kernel_gradient(x, out_gradient, problem, kernel_gradient)
    if problem.axes == 3:
        by_slabs = lowerings.folds(problem) and max(problem.kernel_size) > 1
        return (lowerings.depth_slabs_kernel_gradient if by_slabs else lowerings.taps_kernel_gradient)(
            x, out_gradient, problem
        )
    if problem.met_share < _WORTH_TRIMMING:
        return lowerings.taps_kernel_gradient(x, out_gradient, problem)
    return lowerings.swapped_kernel_gradient(x, out_gradient, problem)
