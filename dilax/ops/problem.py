"""What a convolution does besides its numbers, and its definition."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .arguments import Pads

Shape = tuple[int, ...]


class Problem(NamedTuple):
    """A convolution without its numbers; hashable, one entry for each spatial axis.

    Attributes:
        size: Samples of the input.
        kernel_size: Taps of the kernel.
        stride: Distance between windows.
        pads: Zeros before and after; negative ones crop.
        dilation: Distance between taps.
        groups: Groups of channels.
        precision: As in ``jax.lax.dot_general``.
    """

    size: Shape
    kernel_size: Shape
    stride: Shape
    pads: Pads
    dilation: Shape
    groups: int = 1
    precision: Any = None

    @property
    def axes(self) -> int:
        """How many spatial axes there are."""
        return len(self.size)

    @property
    def reach(self) -> Shape:
        """Samples from the first to the last tap."""
        return tuple(rate * (taps - 1) for rate, taps in zip(self.dilation, self.kernel_size, strict=True))

    @property
    def out_size(self) -> Shape:
        """Samples of the output."""
        return tuple(
            (length + before + after - reach - 1) // step + 1
            for length, (before, after), reach, step in zip(self.size, self.pads, self.reach, self.stride, strict=True)
        )

    def met(self, axis: int, tap: int) -> range:
        """Places of the output where a tap meets the input and not only padding."""
        step, shift = self.stride[axis], tap * self.dilation[axis] - self.pads[axis][0]
        first = max(0, -(shift // step))
        last = min(self.out_size[axis] - 1, (self.size[axis] - 1 - shift) // step)
        return range(first, max(first, last + 1))

    @property
    def met_share(self) -> float:
        """Share of all pairs of an output place and a tap where the tap meets the input."""
        share = 1.0
        for axis, taps in enumerate(self.kernel_size):
            met = sum(len(self.met(axis, tap)) for tap in range(taps))
            share *= met / (taps * self.out_size[axis])
        return share


#: Computes one of the three below from two arrays.
Contraction = Callable[[jax.Array, jax.Array, Problem], jax.Array]

# A convolution y, its input's gradient and its kernel's gradient are the three contractions of one trilinear form
# T(x, kernel, out_gradient). XLA's own way to compute each is below; it is the definition of the operation.


def native(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """``(N, *size, C_in)`` and ``(*kernel_size, C_in / groups, C_out)`` give ``(N, *out_size, C_out)``."""
    return _convolve(x, kernel, problem, stride=problem.stride, pads=problem.pads)


def native_input_gradient(out_gradient: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """``(N, *out_size, C_out)`` and the kernel give ``(N, *size, C_in)``."""
    turned, turned_problem = flipped(kernel, problem)
    pads = [
        (before, length + reach - before - (out - 1) * step - 1)
        for (before, _), length, reach, out, step in zip(
            turned_problem.pads, problem.size, problem.reach, problem.out_size, problem.stride, strict=True
        )
    ]
    ones = (1,) * problem.axes
    return _convolve(out_gradient, turned, problem, stride=ones, pads=pads, lhs_dilation=problem.stride)


def native_kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """``(N, *size, C_in)`` and ``(N, *out_size, C_out)`` give ``(*kernel_size, C_in / groups, C_out)``."""
    channels = x.shape[-1] // problem.groups
    kernel = jax.ShapeDtypeStruct((*problem.kernel_size, channels, out_gradient.shape[-1]), x.dtype)
    (gradient,) = jax.linear_transpose(lambda kernel: native(x, kernel, problem), kernel)(out_gradient)
    return gradient


def flipped(kernel: jax.Array, problem: Problem) -> tuple[jax.Array, Problem]:
    """The kernel and the problem with which a convolution of stride 1 gives the input's gradient."""
    axes = problem.axes
    turned = kernel[(slice(None, None, -1),) * axes]
    *_, c_group, c_out = kernel.shape
    if problem.groups == 1:
        turned = turned.swapaxes(-1, -2)
    else:  # each group's block is turned round by itself
        parts = turned.reshape(*problem.kernel_size, c_group, problem.groups, c_out // problem.groups)
        turned = jnp.swapaxes(parts, -3, -1).reshape(*problem.kernel_size, c_out // problem.groups, -1)
    pads = tuple(
        (reach - before, reach - after) for reach, (before, after) in zip(problem.reach, problem.pads, strict=True)
    )
    return turned, problem._replace(size=problem.out_size, pads=pads)


def _convolve(
    x: jax.Array, kernel: jax.Array, problem: Problem, *, stride: Shape, pads: Any, lhs_dilation: Shape | None = None
) -> jax.Array:
    spatial = "DHW"[-problem.axes :]
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=stride,
        padding=pads,
        lhs_dilation=lhs_dilation,
        rhs_dilation=problem.dilation,
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
        feature_group_count=problem.groups,
        precision=problem.precision,
    )
