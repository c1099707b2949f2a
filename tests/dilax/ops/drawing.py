"""Random convolutions, and what PyTorch gives for them in float64."""

import numpy as np
import torch
from hypothesis import strategies as st

from dilax.ops.problem import Problem


@st.composite
def problems(draw, *, axes=None, stride=None, groups=None, least_pad=0):
    """A problem, a batch and two channel counts: sizes odd and even, less than the kernel's reach, pads on one side."""
    axes = draw(st.integers(1, 3)) if axes is None else axes

    def each(low, high):
        return draw(st.tuples(*[st.integers(low, high)] * axes))

    kernel_size, dilation = each(1, 4 if axes < 3 else 3), each(1, 4)
    stride = each(1, 3) if stride is None else (stride,) * axes
    pads = tuple(zip(each(least_pad, 4), each(least_pad, 4), strict=True))
    reach = [rate * (taps - 1) for rate, taps in zip(dilation, kernel_size, strict=True)]
    size = tuple(
        max(1, extent + extra - sum(pair)) for extent, extra, pair in zip(reach, each(1, 5), pads, strict=True)
    )
    groups = draw(st.sampled_from([1, 1, 2, 3, 4])) if groups is None else groups
    c_in, c_out = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    return Problem(size, kernel_size, stride, pads, dilation, groups), draw(st.integers(1, 3)), c_in, c_out


def arrays(problem, batch, c_in, c_out, seed=0):
    """Input, kernel and a gradient of the output, in float64."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, *problem.size, c_in))
    kernel = rng.normal(size=(*problem.kernel_size, c_in // problem.groups, c_out))
    return x, kernel, rng.normal(size=(batch, *problem.out_size, c_out))


def by_torch(problem, x, kernel, out_gradient):
    """Output, input's gradient and kernel's gradient, channels last."""
    tx = torch.tensor(x).movedim(-1, 1).requires_grad_()
    tk = torch.tensor(kernel).movedim((-1, -2), (0, 1)).contiguous().requires_grad_()
    convolve = getattr(torch.nn.functional, f"conv{problem.axes}d")
    padded = torch.nn.functional.pad(tx, [n for pair in reversed(problem.pads) for n in pair])
    y = convolve(padded, tk, stride=problem.stride, dilation=problem.dilation, groups=problem.groups)
    dx, dk = torch.autograd.grad(y, (tx, tk), torch.tensor(out_gradient).movedim(-1, 1))
    return (
        y.detach().movedim(1, -1).numpy(),
        dx.movedim(1, -1).numpy(),
        dk.movedim((0, 1), (-1, -2)).numpy(),
    )
