"""Any pytree of arrays as a flat dictionary, and back into the form of a target."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..errors import ArgumentError, MismatchError
from .arrays import describe, differences


@dataclass(frozen=True)
class Packed:
    """A pytree as it is stored.

    Args:
        arrays: Name to array; copies, so that the originals may be donated. Random keys are their
            key data, and arrays without elements are left out.
        about: Name to dtype and shape of every array.
    """

    arrays: dict[str, Any]
    about: dict[str, list[Any]]


def pack(tree: Any) -> Packed:
    """Flatten a pytree of arrays.

    Raises:
        ArgumentError: A leaf is no array, or two leaves have one name.
    """
    named = name_leaves(tree)
    stored = {name: _copy(leaf) for name, leaf in named.items() if leaf.size}
    return Packed(stored, describe(named))


def unpack(arrays: Mapping[str, Any], about: Mapping[str, Any], target: Any, item: str, path: Path) -> Any:
    """Undo :func:`pack`.

    Args:
        arrays: Name to NumPy array.
        about: Name to dtype and shape, as stored.
        target: Pytree whose names, shapes and dtypes must be those stored; None for a dictionary.
        item: What it is, for messages.
        path: Where it is, for messages.

    Raises:
        MismatchError: A name, shape or dtype differs; all are listed.
    """
    whole = {name: _with_empty(name, arrays, entry) for name, entry in about.items()}
    if target is None:
        return whole
    wanted = name_leaves(target)
    problems = differences(about, describe(wanted))
    if problems:
        raise MismatchError(
            "restore", f"the {item} state in {str(path)!r} is not what the target asks for",
            problems, "build the target as it was when the checkpoint was saved",
        )  # fmt: skip
    leaves = [_like(whole[name], leaf) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(target), leaves)


def name_leaves(tree: Any) -> dict[str, Any]:
    """Name to leaf, in the order of ``jax.tree.leaves``; names are paths joined by dots.

    Raises:
        ArgumentError: A leaf is no array, or two leaves have one name.
    """
    named: dict[str, Any] = {}
    for path, leaf in jax.tree.leaves_with_path(tree):
        if isinstance(tree, nnx.State):
            path = path[:-1]  # the last part is the variable's "value"
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
            raise ArgumentError("Checkpoints", name, leaf, "is no array", "pass arrays alone")
        if name in named:
            raise ArgumentError("Checkpoints", "state", name, "names two arrays", "give each its own name")
        named[name] = leaf
    return named


def _copy(leaf: Any) -> Any:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    if isinstance(leaf, jax.Array):
        on_cpu = all(device.platform == "cpu" for device in leaf.devices())
        if not on_cpu:
            return leaf  # Orbax copies these off the device before it returns.
        if not leaf.is_fully_addressable:
            return jnp.copy(leaf)
    return np.array(leaf, copy=True)


def _with_empty(name: str, arrays: Mapping[str, Any], entry: Any) -> Any:
    dtype, shape = entry
    return arrays[name] if name in arrays else np.zeros(shape, jnp.dtype(dtype))


def _like(value: Any, leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array):
        return value
    # A copy, so that no buffer of JAX is memory that NumPy owns.
    array = jnp.array(value, copy=True)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        array = jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf))
    return jax.device_put(array, leaf.sharding)
