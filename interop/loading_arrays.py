"""NumPy arrays -> JAX arrays of their own memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .rules import Entry, Path, Slot, copy_into


def owned(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The numbers as an array of ``dtype`` in C order, which shares no memory with ``array``."""
    copy = np.empty(array.shape, dtype)
    copy_into(copy, array)  # one pass that lays out, casts and copies
    return copy


def place(value: Any, sharding: Any) -> Any:
    """Where the array that replaces ``value`` goes: to ``sharding``, or where ``value`` is or was meant to be."""
    if sharding is not None:
        return sharding
    if isinstance(value, jax.ShapeDtypeStruct):
        return value.sharding
    return value.sharding if getattr(value, "committed", False) else None


@dataclass
class Converted:
    """The arrays of one entry as Flax has them, and what there is to say about them.

    Attributes:
        arrays: Each with its path and where it goes, in memory of its own.
        problems: A sentence for each reason why the model cannot hold them; then there are no arrays.
        casts: A sentence for each array whose dtype changed.
        loss: What does not come back from Flax, and of which arrays, if anything.
    """

    arrays: list[tuple[Path, np.ndarray[Any, Any], Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    casts: list[str] = field(default_factory=list)
    loss: tuple[str, str] | None = None


def convert(entry: Entry, sources: Mapping[str, np.ndarray[Any, Any]], *, dtype: Any, sharding: Any) -> Converted:
    """Lay out the arrays of one entry from PyTorch's by key; in any thread.

    Args:
        entry: Which Flax arrays they are.
        sources: The arrays.
        dtype: What arrays of floats become; the model's dtypes if None.
        sharding: Where the arrays go; to the devices of those that they replace if None.
    """
    values = list(sources.values())
    refusal, loss = entry.join.refusal(values), entry.join.loss(values)
    found = Converted(loss=(loss, " and ".join(entry.keys)) if loss else None)
    if refusal:
        found.problems.append(f"value: {entry.keys[-1]} {refusal}")
    targets = {_target(slot, dtype) for slot in entry.slots}
    for key, source in sources.items():
        for target in targets:
            problem = _value_problem(key, source, target)
            if problem:
                found.problems.append(problem)
            elif source.dtype not in (target, entry.torch_dtype):
                found.casts.append(f"{key}: {source.dtype} became {target}")
    if not found.problems:
        found.arrays = [
            (slot.path, owned(array, _target(slot, dtype)), place(slot.value, sharding))
            for slot, array in entry.to_flax(sources)
        ]
    return found


class Conversion:
    """What became of all entries, added in order.

    Attributes:
        arrays: By path.
        problems: A sentence for each array that the model cannot hold.
        casts: A sentence for each array whose dtype changed.
    """

    def __init__(self) -> None:
        self._losses: dict[str, list[str]] = {}
        self.arrays: dict[Path, jax.Array] = {}
        self.problems: list[str] = []
        self.casts: list[str] = []

    def add(self, entry: Entry, found: Converted) -> None:
        """Make JAX arrays of one entry's."""
        self.problems += found.problems
        self.casts += found.casts
        if found.loss and not found.problems:
            what, keys = found.loss
            self._losses.setdefault(what, []).append(keys)
        for path, copy, where in found.arrays:
            # On a CPU the array is this copy, which nobody else has; elsewhere the copy goes when it has been sent.
            array = jax.block_until_ready(jax.device_put(copy, where))
            if path in self.arrays and not _same_bits(self.arrays[path], array):
                self.problems.append(f"{entry.keys[0]}: differs from the array that it shares memory with")
            self.arrays[path] = array

    def notes(self) -> tuple[str, ...]:
        """A sentence for each kind of loss."""
        return tuple(
            f"{keys[0]}{f' and {len(keys) - 1} more like it' if len(keys) > 1 else ''}: {loss}"
            for loss, keys in self._losses.items()
        )


def _target(slot: Slot, dtype: Any) -> np.dtype[Any]:
    own = np.dtype(slot.value.dtype)
    return np.dtype(dtype) if dtype is not None and jnp.issubdtype(own, jnp.floating) else own


def _value_problem(key: str, source: np.ndarray[Any, Any], target: np.dtype[Any]) -> str | None:
    """Why the values would not survive the change to ``target``, if they would not."""
    if jax.dtypes.canonicalize_dtype(target) != target:
        return f"dtype: {key} would be {target}, which JAX has within jax.enable_x64(True) alone"
    for kind in (jnp.floating, jnp.complexfloating):
        if jnp.issubdtype(source.dtype, kind) and jnp.issubdtype(target, kind):
            return None  # rounding is reported, not refused
    if jnp.issubdtype(source.dtype, jnp.integer) and jnp.issubdtype(target, jnp.integer):
        if np.array_equal(source.astype(target), source):
            return None
        return f"dtype: {key} holds {source.max()}, too large for {target}"
    return None if source.dtype == target else f"dtype: {key} is {source.dtype}, the model's {target}"


def _same_bits(one: jax.Array, other: jax.Array) -> bool:
    return np.asarray(one).tobytes() == np.asarray(other).tobytes()
