"""Bijections between a PyTorch array and the Flax array of the same numbers."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


class Layout(Protocol):
    """A rearrangement with an exact inverse: ``to_torch(to_flax(x))`` equals ``x`` bit for bit."""

    def to_flax(self, array: Array) -> Array:
        """The array as Flax stores it."""

    def to_torch(self, array: Array) -> Array:
        """The array as PyTorch stores it."""

    def torch_shape(self, flax_shape: Shape) -> Shape:
        """Shape of the PyTorch array whose Flax array has ``flax_shape``."""


@dataclass(frozen=True)
class Same:
    """Stored alike on both sides."""

    def to_flax(self, array: Array) -> Array:
        return array

    def to_torch(self, array: Array) -> Array:
        return array

    def torch_shape(self, flax_shape: Shape) -> Shape:
        return flax_shape


@dataclass(frozen=True)
class ChannelsLast:
    """``(out, in, *kernel_size)`` in PyTorch, ``(*kernel_size, in, out)`` in Flax."""

    def to_flax(self, array: Array) -> Array:
        return np.moveaxis(array, (1, 0), (-2, -1))

    def to_torch(self, array: Array) -> Array:
        return np.moveaxis(array, (-1, -2), (0, 1))

    def torch_shape(self, flax_shape: Shape) -> Shape:
        *kernel_size, c_in, c_out = flax_shape
        return (c_out, c_in, *kernel_size)


@dataclass(frozen=True)
class OutputsLast:
    """``(out, *inputs)`` in PyTorch, ``(*inputs, out)`` in Flax."""

    def to_flax(self, array: Array) -> Array:
        return np.moveaxis(array, 0, -1)

    def to_torch(self, array: Array) -> Array:
        return np.moveaxis(array, -1, 0)

    def torch_shape(self, flax_shape: Shape) -> Shape:
        return (flax_shape[-1], *flax_shape[:-1])


@dataclass(frozen=True)
class Unrolled:
    """A vector in PyTorch; in Flax an array of as many axes as the parameter that it multiplies.

    Attributes:
        layout: Layout of that parameter.
        shape: Shape of the array in PyTorch's layout, before it is a vector.
    """

    layout: Layout
    shape: Shape

    def to_flax(self, array: Array) -> Array:
        return self.layout.to_flax(array.reshape(self.shape))

    def to_torch(self, array: Array) -> Array:
        return self.layout.to_torch(array).reshape(-1)

    def torch_shape(self, flax_shape: Shape) -> Shape:
        return (math.prod(flax_shape),)


@dataclass(frozen=True)
class TransposedChannelsLast:
    """``(in, out / groups, *kernel_size)`` in PyTorch, ``(*kernel_size, in / groups, out)`` in Flax.

    Attributes:
        groups: Groups of channels. Each holds its own share of both channel axes, so they must be split first.
    """

    groups: int

    def to_flax(self, array: Array) -> Array:
        c_in, c_group, *kernel_size = array.shape
        parts = array.reshape(self.groups, c_in // self.groups, c_group, *kernel_size)
        parts = np.moveaxis(parts, (1, 0, 2), (-3, -2, -1))
        return parts.reshape(*kernel_size, c_in // self.groups, self.groups * c_group)

    def to_torch(self, array: Array) -> Array:
        *kernel_size, c_group, c_out = array.shape
        parts = array.reshape(*kernel_size, c_group, self.groups, c_out // self.groups)
        parts = np.moveaxis(parts, (-3, -2, -1), (1, 0, 2))
        return parts.reshape(self.groups * c_group, c_out // self.groups, *kernel_size)

    def torch_shape(self, flax_shape: Shape) -> Shape:
        *kernel_size, c_group, c_out = flax_shape
        return (c_group * self.groups, c_out // self.groups, *kernel_size)


@dataclass(frozen=True)
class Flipped:
    """A kernel that Flax stores with its spatial axes the other way round.

    Attributes:
        layout: Layout without that; it puts the spatial axes first.
    """

    layout: Layout

    def to_flax(self, array: Array) -> Array:
        return self._flip(self.layout.to_flax(array))

    def to_torch(self, array: Array) -> Array:
        return self.layout.to_torch(self._flip(array))

    def torch_shape(self, flax_shape: Shape) -> Shape:
        return self.layout.torch_shape(flax_shape)

    @staticmethod
    def _flip(array: Array) -> Array:
        return np.flip(array, tuple(range(array.ndim - 2)))


@dataclass(frozen=True)
class Reshaped:
    """Stored in Flax with other axes, in the same order.

    Attributes:
        layout: Layout between PyTorch's array and that of shape ``before``.
        before: Shape in Flax's order, with the axes that ``layout`` gives.
        after: Shape of the Flax array.
    """

    layout: Layout
    before: Shape
    after: Shape

    def to_flax(self, array: Array) -> Array:
        return self.layout.to_flax(array).reshape(self.after)

    def to_torch(self, array: Array) -> Array:
        return self.layout.to_torch(array.reshape(self.before))

    def torch_shape(self, flax_shape: Shape) -> Shape:
        return self.layout.torch_shape(self.before)
