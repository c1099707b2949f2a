"""Every lowering that applies equals PyTorch in float64, on random convolutions."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings

from dilax.ops import cpu, gpu, lowerings
from dilax.ops.problem import flipped, native, native_input_gradient, native_kernel_gradient

from .drawing import arrays, by_torch, problems

FORWARD = {
    "native": (lambda p: True, native),
    "chosen": (lambda p: True, cpu.forward),
    "chosen for GPUs": (lambda p: True, gpu.forward),
    "columns": (lambda p: p.groups == 1, lowerings.columns),
    "taps": (lambda p: p.groups == 1, lowerings.taps),
    "group_taps": (lambda p: True, lowerings.group_taps),
    "blocks": (lambda p: True, lambda x, k, p: lowerings.blocks(x, k, p, native)),
    "depth_slabs": (lowerings.folds, lowerings.depth_slabs),
}
INPUT_GRADIENT = {
    "native": (lambda p: True, native_input_gradient),
    "chosen": (lambda p: True, cpu.input_gradient),
    "chosen for GPUs": (lambda p: True, gpu.input_gradient),
    "flipped": (lambda p: max(p.stride) == 1, lambda g, k, p: native(g, *flipped(k, p))),
    "stuffed": (lambda p: True, lambda g, k, p: lowerings.stuffed(g, k, p, native)),
    "phases": (None, lowerings.phases),
}
KERNEL_GRADIENT = {
    "native": (lambda p: True, native_kernel_gradient),
    "chosen": (lambda p: True, cpu.kernel_gradient),
    "chosen for GPUs": (lambda p: True, gpu.kernel_gradient),
    "columns": (lambda p: True, lowerings.columns_kernel_gradient),
    "taps": (lambda p: p.groups == 1, lowerings.taps_kernel_gradient),
    "swapped": (lambda p: p.groups == 1, lowerings.swapped_kernel_gradient),
    "depth_slabs": (lowerings.folds, lowerings.depth_slabs_kernel_gradient),
    "depthwise": (None, lowerings.depthwise_kernel_gradient),
    "depthwise sums": (None, lowerings.depthwise_sums),
    "blocks": (lambda p: True, lambda x, g, p: lowerings.blocks_kernel_gradient(x, g, p, native_kernel_gradient)),
}


def _compiled(lowering, problem):
    return jax.jit(lambda one, other: lowering(one, other, problem))


def _close(ours, theirs, name):
    assert ours.shape == theirs.shape, name
    bound = 1e-12 * max(1.0, np.abs(theirs).max(initial=0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound, err_msg=name)


@pytest.mark.slow
@given(drawn=problems(least_pad=-1))
@settings(deadline=None)
def test_each_equals_pytorch(drawn):
    problem, batch, c_in, c_out = drawn
    x, kernel, out_gradient = arrays(problem, batch, c_in, c_out)
    y, dx, dk = by_torch(problem, x, kernel, out_gradient)
    depthwise = c_in == problem.groups
    with jax.enable_x64(True):
        for name, (applies, lowering) in FORWARD.items():
            if applies(problem):
                _close(_compiled(lowering, problem)(x, kernel), y, f"forward {name}")
        for name, (applies, lowering) in INPUT_GRADIENT.items():
            if applies(problem) if applies else lowerings.divides(problem, c_in):
                _close(_compiled(lowering, problem)(out_gradient, kernel), dx, f"input {name}")
        for name, (applies, lowering) in KERNEL_GRADIENT.items():
            if applies(problem) if applies else depthwise:
                _close(_compiled(lowering, problem)(x, out_gradient), dk, f"kernel {name}")


@given(drawn=problems(stride=2, groups=1, least_pad=-1))
@settings(deadline=None)
def test_strides_without_dilation_take_phases(drawn):
    problem, batch, c_in, c_out = drawn
    problem = problem._replace(dilation=(1,) * problem.axes)
    x, kernel, out_gradient = arrays(problem, batch, c_in, c_out)
    _, dx, _ = by_torch(problem, x, kernel, out_gradient)
    assert lowerings.divides(problem, c_in)
    with jax.enable_x64(True):
        _close(_compiled(lowerings.phases, problem)(out_gradient, kernel), dx, "phases")


@given(drawn=problems(stride=1, groups=1))
@settings(deadline=None)
def test_one_tap_is_a_product(drawn):
    problem, batch, c_in, c_out = drawn
    nothing = ((0, 0),) * problem.axes
    problem = problem._replace(kernel_size=(1,) * problem.axes, pads=nothing)
    assert lowerings.is_product(problem)
    for changed in (
        problem._replace(pads=((0, 1), *nothing[1:])),
        problem._replace(stride=(2,) * problem.axes),
        problem._replace(kernel_size=(2,) * problem.axes),
        problem._replace(groups=2),
    ):
        assert not lowerings.is_product(changed)
    x, kernel, out_gradient = arrays(problem, batch, c_in, c_out)
    y, dx, _ = by_torch(problem, x, kernel, out_gradient)
    with jax.enable_x64(True):
        _close(_compiled(lowerings.product, problem)(x, kernel), y, "forward")
        _close(_compiled(lowerings.product_input_gradient, problem)(out_gradient, kernel), dx, "input")
