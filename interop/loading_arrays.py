"""NumPy arrays -> JAX arrays of their own memory."""

import mmap
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .rules import Entry, Path, Slot

# Below this many bytes a map of memory of its own costs more than it saves.
_LARGE = 1 << 18


def owned(array: np.ndarray[Any, Any], dtype: np.dtype[Any], sharding: Any) -> jax.Array:
    """A JAX array of the numbers, which shares no memory with ``array``.

    Args:
        array: The numbers, in any order in memory.
        dtype: What they become.
        sharding: Where they go; None for where JAX puts arrays.

    Returns:
        The array, on its devices.
    """
    copy = _memory(array.shape, dtype)
    np.copyto(copy, array, casting="unsafe")  # one pass that lays out, casts and copies
    # On a CPU the array is this copy, which nobody else has; elsewhere the copy goes when it has been sent.
    return jax.block_until_ready(jax.device_put(copy, sharding))


def _memory(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Memory for an array; large ones are mapped at once, which takes half the time of a fault for each page."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size < _LARGE or not hasattr(mmap, "MAP_POPULATE"):
        return np.empty(shape, dtype)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
    return np.frombuffer(pages, dtype, size // dtype.itemsize).reshape(shape)


def place(value: Any, sharding: Any) -> Any:
    """Where the array that replaces ``value`` goes: to ``sharding``, or where ``value`` is or was meant to be."""
    if sharding is not None:
        return sharding
    if isinstance(value, jax.ShapeDtypeStruct):
        return value.sharding
    return value.sharding if getattr(value, "committed", False) else None


class Conversion:
    """The arrays of a model, made one entry after the other, and what there is to say about them.

    Args:
        dtype: What arrays of floats become; the model's dtypes if None.
        sharding: Where the arrays go; to the devices of those that they replace if None.

    Attributes:
        arrays: By path.
        problems: A sentence for each array that the model cannot hold.
        casts: A sentence for each array whose dtype changed.
    """

    def __init__(self, dtype: Any, sharding: jax.sharding.Sharding | None) -> None:
        self._dtype = None if dtype is None else np.dtype(dtype)
        self._sharding = sharding
        self._losses: dict[str, list[str]] = {}
        self.arrays: dict[Path, jax.Array] = {}
        self.problems: list[str] = []
        self.casts: list[str] = []

    def convert(self, entry: Entry, sources: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Make the Flax arrays of one entry from PyTorch's arrays by key."""
        values = list(sources.values())
        refusal, loss = entry.join.refusal(values), entry.join.loss(values)
        problems = [f"value: {entry.keys[-1]} {refusal}"] if refusal else []
        targets = {self._target(slot) for slot in entry.slots}
        for key, source in sources.items():
            for target in targets:
                problem = _value_problem(key, source, target)
                if problem:
                    problems.append(problem)
                elif source.dtype not in (target, entry.torch_dtype):
                    self.casts.append(f"{key}: {source.dtype} became {target}")
        self.problems += problems
        if problems:
            return
        if loss:
            self._losses.setdefault(loss, []).append(" and ".join(entry.keys))
        for slot, array in entry.to_flax(sources):
            made = owned(array, self._target(slot), place(slot.value, self._sharding))
            if slot.path in self.arrays and not _same_bits(self.arrays[slot.path], made):
                self.problems.append(f"{entry.keys[0]}: differs from the array that it shares memory with")
            self.arrays[slot.path] = made

    def notes(self) -> tuple[str, ...]:
        """A sentence for each kind of loss."""
        return tuple(
            f"{keys[0]}{f' and {len(keys) - 1} more like it' if len(keys) > 1 else ''}: {loss}"
            for loss, keys in self._losses.items()
        )

    def _target(self, slot: Slot) -> np.dtype[Any]:
        own = np.dtype(slot.value.dtype)
        return self._dtype if self._dtype is not None and jnp.issubdtype(own, jnp.floating) else own


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
