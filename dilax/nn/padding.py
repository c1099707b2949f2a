"""Padding of the spatial axes as layers."""

import jax
from flax import nnx

from .. import ops
from ..errors import ArgumentError
from ..ops.pad import SpatialPadding, resolve_pairs
from .checks import number


class ConstantPad(nnx.Module):
    """Puts one value at the ends of the spatial axes, as ``torch.nn.ConstantPad1d/2d/3d``.

    Args:
        padding: A ``(before, after)`` pair for each spatial axis, first axis first, or one integer for both ends;
            negative numbers crop.
        value: What is put there.

    Raises:
        ArgumentError: ``padding`` is a bare integer, which does not say how many axes there are, or no integers.
    """

    def __init__(self, padding: SpatialPadding, value: float) -> None:
        number("ConstantPad", value=value)
        self.padding, self.value = resolve_pairs("ConstantPad", padding), value

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(..., *spatial, C)`` to ``(..., *longer, C)``."""
        return ops.pad(x, self.padding, value=self.value)


class ZeroPad(ConstantPad):
    """Puts zeros at the ends of the spatial axes, as ``torch.nn.ZeroPad1d/2d/3d``.

    Args:
        padding: As for :class:`ConstantPad`.

    Raises:
        ArgumentError: As for :class:`ConstantPad`.
    """

    def __init__(self, padding: SpatialPadding) -> None:
        self.padding, self.value = resolve_pairs("ZeroPad", padding), 0.0


class _EdgePad(nnx.Module):
    """Lengthens the spatial axes by what they hold already."""

    mode: ops.PaddingMode

    def __init__(self, padding: SpatialPadding) -> None:
        self.padding = resolve_pairs(type(self).__name__, padding)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to ``(N, *longer, C)``; N may be missing."""
        axes = len(self.padding)
        if x.ndim not in (axes + 1, axes + 2):
            raise ArgumentError(
                type(self).__name__, "x", x.shape, f"does not have {axes} spatial axes",
                f"pass (N, *spatial, C) or (*spatial, C), which is an array of {axes + 2} or {axes + 1} axes",
            )  # fmt: skip
        return ops.pad(x, self.padding, mode=self.mode)


class ReflectionPad(_EdgePad):
    """Mirrors the spatial axes at their end samples, as ``torch.nn.ReflectionPad1d/2d/3d``.

    Args:
        padding: As for :class:`ConstantPad`; each less than the axis is long.

    Raises:
        ArgumentError: As for :class:`ConstantPad`.
    """

    mode = "reflect"


class ReplicationPad(_EdgePad):
    """Repeats the end samples of the spatial axes, as ``torch.nn.ReplicationPad1d/2d/3d``.

    Args:
        padding: As for :class:`ConstantPad`.

    Raises:
        ArgumentError: As for :class:`ConstantPad`.
    """

    mode = "replicate"


class CircularPad(_EdgePad):
    """Goes on at the other end of the spatial axes, as ``torch.nn.CircularPad1d/2d/3d``.

    Args:
        padding: As for :class:`ConstantPad`; each at most as the axis is long.

    Raises:
        ArgumentError: As for :class:`ConstantPad`.
    """

    mode = "circular"
