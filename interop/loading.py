"""state_dict -> Flax model: strict, and all or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from dilax.errors import DilaxError, MismatchError, nearest

from .arrays import is_state_dict, to_numpy
from .rules import Entry, entries

# What people call the state_dict inside a training checkpoint.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module")


@dataclass(frozen=True)
class LoadReport:
    """What :func:`load` did.

    Attributes:
        arrays: Arrays filled.
        parameters: Numbers in them.
        wrapper: Key of the checkpoint under which the state_dict was, or None for a bare one.
        casts: A sentence for each array whose dtype changed.
        unused: Keys of the checkpoint beside the state_dict, such as ``optimizer`` and ``epoch``.
    """

    arrays: int
    parameters: int
    wrapper: str | None
    casts: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        source = "the state_dict" if self.wrapper is None else f"the state_dict in {self.wrapper!r}"
        lines = [f"{self.arrays} arrays, {self.parameters:,} numbers, from {source}"]
        if self.unused:
            lines.append(f"not used: {', '.join(self.unused)}")
        return "\n".join([*lines, *self.casts])


def load(model: nnx.Module, state_dict: Mapping[str, Any]) -> LoadReport:
    """Fill a Flax model with the arrays of a PyTorch checkpoint.

    Every key is used exactly once and every array of the model is filled exactly once, or one error lists all that does
    not fit and the model is as it was.

    Args:
        model: A model made of layers that :mod:`interop.rules` knows.
        state_dict: A mapping of names to tensors or arrays in PyTorch's layout;
            also the dictionary around it that training scripts save.

    Returns:
        What was done.

    Raises:
        MismatchError: Keys are missing or unexpected, or shapes or dtypes disagree.
        DilaxError: There is no state_dict in ``state_dict``, or more than one.
    """
    arrays, wrapper, unused = find_state_dict(state_dict)
    wanted = entries(model)
    problems = _compare(wanted, arrays)
    if problems:
        raise MismatchError(
            "load",
            f"the state_dict and the {type(model).__name__} differ in {len(problems)} places",
            problems,
            "build the model with the checkpoint's options, or pass the checkpoint of this model",
        )
    filled: dict[int, Any] = {}
    casts: list[str] = []
    for entry in wanted:
        source = to_numpy(arrays[entry.key])
        problem = _value_problem(entry, source)
        if problem:
            problems.append(problem)
            continue
        target = np.dtype(entry.variable.dtype)
        if source.dtype not in (target, entry.rule.torch_dtype):
            casts.append(f"{entry.key}: {source.dtype} became {target}")
        array = np.asarray(entry.rule.layout.to_flax(source), dtype=target, order="C")
        if id(entry.variable) in filled and not _same_bits(filled[id(entry.variable)], array):
            problems.append(f"{entry.key}: differs from the array that it shares memory with")
        filled[id(entry.variable)] = array
    if problems:
        raise MismatchError(
            "load", "the model cannot hold the state_dict's values", problems,
            "convert the values before loading",
        )  # fmt: skip
    for entry in wanted:
        entry.variable[...] = jnp.array(filled[id(entry.variable)])
    numbers = sum(array.size for array in filled.values())
    return LoadReport(len(filled), numbers, wrapper, tuple(casts), unused)


def find_state_dict(
    checkpoint: Mapping[str, Any],
) -> tuple[Mapping[str, Any], str | None, tuple[str, ...]]:
    """The mapping of arrays in a checkpoint, the key it was under, and the other keys there.

    Raises:
        DilaxError: There is none, or more than one.
    """
    if is_state_dict(checkpoint):
        return checkpoint, None, ()
    found = [name for name in _WRAPPERS if is_state_dict(checkpoint.get(name))]
    if not found:
        keys = ", ".join(map(repr, list(checkpoint)[:8])) or "nothing"
        raise DilaxError(
            f"load: there is no state_dict in the checkpoint, which holds {keys}; "
            f"pass a mapping of names to tensors, or one under {', '.join(_WRAPPERS)}."
        )
    if len(found) > 1:
        raise DilaxError(
            f"load: the checkpoint holds a state_dict under each of {', '.join(found)}; "
            f"pass the one you mean, e.g. checkpoint[{found[0]!r}]."
        )
    return checkpoint[found[0]], found[0], tuple(key for key in checkpoint if key != found[0])


def _compare(wanted: list[Entry], arrays: Mapping[str, Any]) -> list[str]:
    keys = [entry.key for entry in wanted]
    unexpected = [key for key in arrays if key not in set(keys)]
    problems = []
    for entry in wanted:
        if entry.key not in arrays:
            hint = nearest(entry.key, unexpected)
            problems.append(f"missing: {entry.key} {list(entry.torch_shape)}{hint}")
        elif tuple(arrays[entry.key].shape) != entry.torch_shape:
            shapes = f"{list(arrays[entry.key].shape)}, the model's {list(entry.torch_shape)}"
            problems.append(f"shape: {entry.key} is {shapes}")
    missing = [key for key in keys if key not in arrays]
    problems += [f"unexpected: {key} {list(arrays[key].shape)}{nearest(key, missing)}" for key in unexpected]
    return problems


def _value_problem(entry: Entry, source: np.ndarray[Any, np.dtype[Any]]) -> str | None:
    """Why the values would not survive the change to the variable's dtype, if they would not."""
    target = np.dtype(entry.variable.dtype)
    if jnp.issubdtype(source.dtype, jnp.floating) and jnp.issubdtype(target, jnp.floating):
        return None  # rounding is reported, not refused
    if jnp.issubdtype(source.dtype, jnp.integer) and jnp.issubdtype(target, jnp.integer):
        if np.array_equal(source.astype(target), source):
            return None
        return f"dtype: {entry.key} holds {source.max()}, too large for {target}"
    return f"dtype: {entry.key} is {source.dtype}, the model's {target}"


def _same_bits(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return one.tobytes() == other.tobytes()
