"""Any pytree as flat dictionaries of arrays and values, and back into the form of a target."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import MismatchError
from .about import About
from .arrays import describe, differences
from .leaves import Value, name_leaves, with_leaves

_NUMBERS: dict[str, Any] = {"bool": np.bool_, "int": np.integer, "float": np.floating}
# What JAX calls the random keys of a dtype.
_IMPLEMENTATIONS = {"fry": "threefry2x32", "rbg": "rbg", "urbg": "unsafe_rbg"}


@dataclass(frozen=True)
class Packed:
    """A pytree as it is stored.

    Args:
        arrays: Name to array; copies, so that the originals may be donated. Random keys are their
            key data, and arrays without elements are left out.
        described: Name to dtype and shape of every array.
        values: Name to type and value of the numbers and texts of Python.
    """

    arrays: dict[str, Any]
    described: dict[str, list[Any]]
    values: dict[str, list[Any]]


def pack(tree: Any) -> Packed:
    """Flatten a pytree.

    Raises:
        ArgumentError: A leaf is no array, number or text, or two leaves have one name.
    """
    named = name_leaves(tree)
    values = {name: _encode(leaf) for name, leaf in named.items() if _is_value(leaf)}
    arrays = {name: leaf for name, leaf in named.items() if name not in values}
    for leaf in arrays.values():
        if isinstance(leaf, jax.Array) and leaf.is_fully_addressable and not _is_key(leaf):
            leaf.copy_to_host_async()
    return Packed({name: _copy(leaf) for name, leaf in arrays.items() if leaf.size}, describe(arrays), values)


def check(about: About, target: Any, path: Path) -> dict[str, Any]:
    """Compare a target with what a checkpoint holds.

    Args:
        about: What it says about itself.
        target: Pytree whose names, shapes and dtypes must be those stored.
        path: Where it is, for the message.

    Returns:
        Name to leaf of the target.

    Raises:
        ArgumentError: A leaf of the target is no array, number or text.
        MismatchError: A name, shape, dtype or type differs; all are listed.
    """
    wanted = name_leaves(target, abstract=True)
    asked = {name: [type(leaf).__name__] if _is_value(leaf) else _described(leaf) for name, leaf in wanted.items()}
    held = {**about.arrays, **{name: [kind] for name, (kind, _) in about.values.items()}}
    problems = differences({name: _as_asked(entry, asked.get(name)) for name, entry in held.items()}, asked)
    if problems:
        raise MismatchError(
            "restore", f"the state in {str(path)!r} is not what the target asks for", problems,
            "build the target as it was when the checkpoint was saved",
        )  # fmt: skip
    return wanted


def unpack(arrays: Mapping[str, Any], about: About, target: Any) -> Any:
    """Undo :func:`pack`.

    Args:
        arrays: Name to array, without those that have no elements.
        about: What the checkpoint says about itself.
        target: What :func:`check` found to agree; None for a dictionary.
    """
    values = {name: _decode(entry) for name, entry in about.values.items()}
    whole = {name: _with_empty(name, arrays, entry) for name, entry in about.arrays.items()} | values
    if target is None:
        return whole
    wanted = name_leaves(target, abstract=True)
    return with_leaves(target, {name: _like(whole[name], leaf) for name, leaf in wanted.items()})


def shard_of(leaf: Any) -> Any:
    """The sharding by which an array of several devices is read; None where NumPy's will do."""
    if isinstance(leaf, jax.Array) and _is_key(leaf):
        leaf = jax.random.key_data(leaf)
    sharding = getattr(leaf, "sharding", None)
    spread = isinstance(sharding, jax.sharding.Sharding) and len(sharding.device_set) > 1
    return sharding if spread and not _is_key(leaf) else None


def _described(leaf: Any) -> list[Any]:
    return [str(leaf.dtype), list(leaf.shape)]


def _as_asked(held: Any, asked: Any) -> Any:
    """What is held, as what is asked for where a number of Python stands for an array without axes or the reverse."""
    if asked is None or len(asked) == len(held):
        return held
    number, array = sorted((asked, held), key=len)
    kind = _NUMBERS.get(number[0])
    if kind is None or list(array[1]) or array[0].startswith("key<"):
        return held
    return asked if jnp.issubdtype(jnp.dtype(array[0]), kind) else held


def _copy(leaf: Any) -> Any:
    if _is_key(leaf):
        leaf = jax.random.key_data(leaf)
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return jnp.copy(leaf)
    if isinstance(leaf, jax.Array) and any(device.platform != "cpu" for device in leaf.devices()):
        return np.asarray(leaf)  # off the device, which is a copy
    return np.array(leaf, copy=True)


def _with_empty(name: str, arrays: Mapping[str, Any], entry: Any) -> Any:
    dtype, shape = entry
    return arrays[name] if name in arrays else np.zeros(shape, jnp.dtype(dtype))


def _like(value: Any, leaf: Any) -> Any:
    if _is_value(leaf):
        return value if _is_value(value) else jnp.array(value)
    if _is_value(value):
        value = np.asarray(value, leaf.dtype)
    if not isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):
        return value[()] if isinstance(leaf, np.generic) else value
    if not isinstance(value, jax.Array):
        # A copy, so that no buffer of JAX is memory that NumPy owns.
        value = jnp.array(value, copy=True)
    if _is_key(leaf):
        value = jax.random.wrap_key_data(value, impl=_implementation(leaf))
    # An array that its maker left where JAX likes it may meet arrays on other devices; one put there may not.
    placed = leaf.sharding is not None and getattr(leaf, "committed", True)
    if placed and not leaf.sharding.is_fully_addressable:
        return _in_all_processes(value, leaf.sharding)
    return jax.device_put(value, leaf.sharding) if placed else value


def _in_all_processes(value: Any, sharding: Any) -> Any:
    """The global array from what each process has; random keys are whole everywhere, so their data can be, too."""
    if isinstance(value, jax.Array) and not value.is_fully_addressable:
        return value  # it was read so
    if _is_key(value):
        data = _in_all_processes(jax.random.key_data(value), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(value))
    host = np.asarray(value)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def _implementation(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array):
        return jax.random.key_impl(leaf)
    return _IMPLEMENTATIONS[str(leaf.dtype).removeprefix("key<").removesuffix(">")]


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _is_value(leaf: Any) -> bool:
    return isinstance(leaf, Value) and not isinstance(leaf, np.generic)  # np.float64 is a float of Python, too


def _encode(leaf: Any) -> list[Any]:
    kind = next(kind for kind in (bool, int, float, str) if isinstance(leaf, kind))
    # JSON has neither NaN nor infinity.
    return [kind.__name__, repr(float(leaf)) if kind is float else kind(leaf)]


def _decode(entry: Any) -> Any:
    kind, value = entry
    return float(value) if kind == "float" else value
