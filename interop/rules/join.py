"""Several PyTorch arrays that together are several Flax arrays."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .layout import Array, Layout, Same, Shape


class Join(ABC):
    """A correspondence of a tuple of PyTorch arrays and a tuple of Flax arrays, either of which may be empty.

    ``to_flax(to_torch(x))`` equals ``x`` bit for bit. So does ``to_torch(to_flax(x))`` wherever :meth:`loss` is None.
    """

    @abstractmethod
    def to_flax(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        """The arrays as Flax stores them."""

    @abstractmethod
    def to_torch(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        """The arrays as PyTorch stores them."""

    @abstractmethod
    def torch_shapes(self, flax_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Shapes of the PyTorch arrays whose Flax arrays have ``flax_shapes``."""

    def refusal(self, arrays: Sequence[Array]) -> str | None:
        """Why Flax cannot compute what PyTorch computes with these arrays, if it cannot."""
        return None

    def loss(self, arrays: Sequence[Array]) -> str | None:
        """What does not come back from Flax of these PyTorch arrays, if anything."""
        return None


@dataclass(frozen=True)
class One(Join):
    """One array on each side."""

    layout: Layout

    def to_flax(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        return (self.layout.to_flax(arrays[0]),)

    def to_torch(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        return (self.layout.to_torch(arrays[0]),)

    def torch_shapes(self, flax_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        return (self.layout.torch_shape(flax_shapes[0]),)


@dataclass(frozen=True)
class Stacked(Join):
    """One PyTorch array whose first axis is those of several equally large Flax arrays, one after the other.

    Attributes:
        layout: Layout of each part.
        count: How many parts there are.
    """

    layout: Layout
    count: int

    def to_flax(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(self.layout.to_flax(part) for part in np.split(arrays[0], self.count))

    def to_torch(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        return (np.concatenate([self.layout.to_torch(array) for array in arrays]),)

    def torch_shapes(self, flax_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        rows, *rest = self.layout.torch_shape(flax_shapes[0])
        return ((self.count * rows, *rest),)


@dataclass(frozen=True)
class Biases(Join):
    """The two biases of a recurrent cell in PyTorch, of inputs and of the hidden state, which Flax adds beforehand.

    The Flax arrays are a bias for each gate and, of the gates whose two biases PyTorch does not merely add, the second.

    Attributes:
        gates: How many gates there are.
        apart: How many of the last gates keep two biases.
    """

    gates: int = 1
    apart: int = 0

    def to_flax(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        inputs, hidden = (np.split(array, self.gates) for array in arrays)
        added = self.gates - self.apart
        sums = [_sum(one, other) for one, other in zip(inputs[:added], hidden[:added], strict=True)]
        return (*sums, *inputs[added:], *hidden[added:])

    def to_torch(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        inputs, second = arrays[: self.gates], arrays[self.gates :]
        hidden = [np.zeros_like(array) for array in inputs[: self.gates - self.apart]]
        return np.concatenate(inputs), np.concatenate([*hidden, *second])

    def torch_shapes(self, flax_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        return (((self.gates * flax_shapes[0][0]),),) * 2

    def loss(self, arrays: Sequence[Array]) -> str | None:
        if arrays[1][: len(arrays[1]) // self.gates * (self.gates - self.apart)].any():
            return "are added, since Flax has one bias; saving gives the sum and zeros"
        return None


@dataclass(frozen=True)
class FusedGruBiases(Join):
    """The two biases of a GRU in PyTorch, of which ``flax.nnx.GRUCell`` has one array without b_hn."""

    _PARTS = Biases(gates=3, apart=1)

    def to_flax(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        return (np.concatenate(self._PARTS.to_flax(arrays)[:3]),)

    def to_torch(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        parts = np.split(arrays[0], 3)
        return self._PARTS.to_torch([*parts, np.zeros_like(parts[0])])

    def torch_shapes(self, flax_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        return (flax_shapes[0],) * 2

    def refusal(self, arrays: Sequence[Array]) -> str | None:
        if np.split(arrays[1], 3)[2].any():
            return "holds a b_hn (its last third) that is not 0, which flax.nnx.GRUCell has not; use dilax.nn.GRUCell"
        return None

    def loss(self, arrays: Sequence[Array]) -> str | None:
        return self._PARTS.loss(arrays)


@dataclass(frozen=True)
class Absent(Join):
    """One PyTorch array that Flax has no equal of; zeros when it goes back.

    Attributes:
        shape: Its shape.
    """

    shape: Shape = ()

    def to_flax(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        return ()

    def to_torch(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        return (np.zeros(self.shape),)

    def torch_shapes(self, flax_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        return (self.shape,)

    def loss(self, arrays: Sequence[Array]) -> str | None:
        return "is left out, since Flax has no such array; saving gives zeros"


#: The correspondence of arrays that both sides store alike.
SAME = One(Same())


def _sum(one: Array, other: Array) -> Array:
    """Their sum, in which a zero leaves the other array's bits as they are, those of -0.0 too."""
    return np.where(other == 0, one, one + other)
