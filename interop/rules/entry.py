"""One correspondence of a model's arrays, and the two directions that all of the project takes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .join import Join
from .layout import Array, Shape

#: Keys and places that lead from a model's state, or from its dictionary of variables, to an array.
Path = tuple[Any, ...]


@dataclass(frozen=True)
class Slot:
    """Where a Flax model keeps one array.

    Attributes:
        path: In ``nnx.to_flat_state(nnx.state(model))``, or in the dictionary of a linen module's variables.
        value: The array that is there, or its ``jax.ShapeDtypeStruct`` in an abstract model.
        put: Puts another one there.
    """

    path: Path
    value: Any = field(repr=False)
    put: Callable[[Any], None] = field(repr=False)


@dataclass(frozen=True)
class Entry:
    """Arrays of a model that correspond, on both sides.

    Attributes:
        keys: Keys in a PyTorch state_dict.
        slots: Where Flax keeps the numbers.
        join: How the two correspond.
        torch_dtype: Dtype in PyTorch where it is not the Flax arrays' own.
        older: The keys that an older form of the PyTorch layer has, in the same order, if there is one.
    """

    keys: tuple[str, ...]
    slots: tuple[Slot, ...]
    join: Join
    torch_dtype: np.dtype[Any] | None = None
    older: tuple[str, ...] = ()

    @property
    def torch_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the arrays in PyTorch."""
        return self.join.torch_shapes([tuple(slot.value.shape) for slot in self.slots])

    def to_flax(self, arrays: Mapping[str, Array]) -> Iterator[tuple[Slot, Array]]:
        """The Flax arrays of PyTorch's arrays by key, each with its place."""
        return zip(self.slots, self.join.to_flax([arrays[key] for key in self.keys]), strict=True)

    def to_torch(self, arrays: Mapping[Path, Array]) -> Iterator[tuple[str, Array]]:
        """The PyTorch arrays of Flax's arrays by path, each with its key; never views of those."""
        found = self.join.to_torch([np.asarray(arrays[slot.path]) for slot in self.slots])
        for key, array in zip(self.keys, found, strict=True):
            yield key, np.array(array, dtype=self.torch_dtype, order="C")


def to_flax(entries: Iterable[Entry], arrays: Mapping[str, Array]) -> dict[Path, Array]:
    """Arrays laid out as a Flax model's, by path, from arrays laid out as a PyTorch state_dict's, by key.

    Whatever has the shapes of the parameters can be given: they themselves, their gradients, an optimizer's moments.
    Where a ``join`` adds arrays (:class:`Biases`), only parameters make sense.

    Args:
        entries: Of the model.
        arrays: NumPy arrays by the entries' keys.

    Returns:
        Arrays, in part views of those given, by the paths of ``nnx.to_flat_state(nnx.state(model))``.
    """
    return {slot.path: array for entry in entries for slot, array in entry.to_flax(arrays)}


def to_torch(entries: Iterable[Entry], arrays: Mapping[Path, Array]) -> dict[str, Array]:
    """The inverse of :func:`to_flax`.

    Args:
        entries: Of the model.
        arrays: Arrays by path.

    Returns:
        Arrays by key, in the order of PyTorch's state_dict; none is a view of one given.
    """
    return {key: array for entry in entries for key, array in entry.to_torch(arrays)}
