"""Which of XLA's operations compute a convolution fastest on a GPU: where dilation keeps XLA from cuDNN, others.

Measured 2026-11-27 on an H200 with jax 0.11.2, float32 by TF32, five convolutions in one program, by the least of 5;
microseconds for one, those of PyTorch (cuDNN) in brackets. bfloat16 has the same order.

===========================  =======================  =====================  =====================================
case                         forward                  kernel's gradient      by
===========================  =======================  =====================  =====================================
2-D 65², 256→256, d2         72 (34)                  421→108 (55)           columns: of the kernel's gradient
2-D 2·65², 256→256, d1       77 (46)                  110 (80)               XLA's own
2-D 65², 2048→256, d36       433→178 (389)            1585→211 (316)         taps: 40 % meet the input
2-D 65², 512 depthwise, d2   168→42 (26)              825→87 (41)            group_taps; a sum for each tap
2-D 65², 256→256, 32 groups  57 (30)                  991→70 (44)            columns: of the kernel's gradient
1-D 16000, 64→128, d512      735→41 (41)              805→43 (68)            columns
3-D 64³, 21→21, d8           267 (208)                11293→326 (566)        columns: of the kernel's gradient
2-D 33², 21 depthwise, k16   456→39 (288), transposed 108 (21)               phases; XLA's own
===========================  =======================  =====================  =====================================
"""

import math

import jax

from . import lowerings
from .problem import Contraction, Problem, flipped, native, native_input_gradient, native_kernel_gradient

# Below this share of taps that meet the input, leaving the others out pays, with at least so many channels.
_WORTH_TRIMMING = 0.7
_MANY = 256
# A depthwise kernel of more taps takes long to compile when it is written out.
_FEW_TAPS = 64


def forward(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native`."""
    chosen = _forward(problem, kernel.shape[-2])
    return chosen(x, kernel, problem)


def input_gradient(out_gradient: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_input_gradient`."""
    c_group, c_out = kernel.shape[-2:]
    if problem.groups > 1 and lowerings.divides(problem, c_group * problem.groups):
        return lowerings.phases(out_gradient, kernel, problem)
    if max(problem.stride) == 1:
        turned, turned_problem = flipped(kernel, problem)
        chosen = _forward(turned_problem, c_out // problem.groups)
        if chosen is not native:
            return chosen(out_gradient, turned, turned_problem)
    return native_input_gradient(out_gradient, kernel, problem)


def kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_kernel_gradient`."""
    if max(problem.dilation) == 1:
        return native_kernel_gradient(x, out_gradient, problem)
    if x.shape[-1] == problem.groups > 1:
        few = math.prod(problem.kernel_size) <= _FEW_TAPS
        return (lowerings.depthwise_sums if few else native_kernel_gradient)(x, out_gradient, problem)
    trimmed = _is_trimmed(problem, x.shape[-1])
    return (lowerings.taps_kernel_gradient if trimmed else lowerings.columns_kernel_gradient)(x, out_gradient, problem)


def _forward(problem: Problem, c_group: int) -> Contraction:
    dilated = max(problem.dilation) > 1
    if problem.groups > 1:
        few = math.prod(problem.kernel_size) <= _FEW_TAPS
        strided = max(problem.stride) > 1
        return lowerings.group_taps if c_group == 1 and few and (dilated or strided) else native
    if dilated and problem.axes == 1:
        return lowerings.columns
    return lowerings.taps if dilated and _is_trimmed(problem, c_group) else native


def _is_trimmed(problem: Problem, channels: int) -> bool:
    return problem.groups == 1 and channels >= _MANY and problem.met_share < _WORTH_TRIMMING
