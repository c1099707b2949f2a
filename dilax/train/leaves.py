"""The leaves of anyone's pytree by name, and the pytree again with other leaves.

Modules, optimizers, states and variables of NNX may be anywhere in it, or be it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx

from ..errors import ArgumentError

#: What Python has besides arrays.
Value = bool | int | float | str

_LEAVES = jax.Array | np.ndarray | np.generic | Value
_NNX = (nnx.Pytree, nnx.State, nnx.Variable)


def name_leaves(tree: Any, *, abstract: bool = False) -> dict[str, Any]:
    """Name to leaf; names are paths joined by dots, and variables of NNX are their arrays.

    Args:
        tree: Any pytree.
        abstract: Whether a leaf may be a ``jax.ShapeDtypeStruct``.

    Raises:
        ArgumentError: A leaf is no array, number or text, or two leaves have one name.
    """
    allowed = _LEAVES | jax.ShapeDtypeStruct if abstract else _LEAVES
    named: dict[str, Any] = {}
    for name, leaf in _leaves(tree):
        if not isinstance(leaf, allowed):
            raise ArgumentError(
                "Checkpoints",
                name,
                leaf,
                "is no array, number or text",
                "leave it out of the state, or pass it as meta",
            )
        if name in named:
            raise ArgumentError("Checkpoints", "state", name, "names two leaves", "give each its own name")
        named[name] = leaf
    return named


def with_leaves(tree: Any, leaves: Mapping[str, Any]) -> Any:
    """The same pytree with other leaves, by the names that :func:`name_leaves` gives.

    Modules and optimizers of NNX are filled where they are; all else is new.
    """

    def renewed(path: tuple[Any, ...], node: Any) -> Any:
        name = _dotted(path)
        if not isinstance(node, _NNX):
            return leaves[name]
        if isinstance(node, nnx.Variable):
            return _variable(node, name, leaves)
        state = node if isinstance(node, nnx.State) else nnx.state(node)
        flat = [(inner, _variable(v, _join(name, inner), leaves)) for inner, v in nnx.to_flat_state(state)]
        new = nnx.from_flat_state(flat)
        if isinstance(node, nnx.State):
            return new
        nnx.update(node, new)
        return node

    return jax.tree.map_with_path(renewed, tree, is_leaf=_is_nnx)


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    for path, node in jax.tree.leaves_with_path(tree, is_leaf=_is_nnx):
        name = _dotted(path)
        if not isinstance(node, _NNX):
            yield name, node
        elif isinstance(node, nnx.Variable):
            yield from _in_variable(node, name)
        else:
            state = node if isinstance(node, nnx.State) else nnx.state(node)
            for inner, variable in nnx.to_flat_state(state):
                yield from _in_variable(variable, _join(name, inner))


def _in_variable(variable: Any, name: str) -> Iterator[tuple[str, Any]]:
    value = variable.get_value() if isinstance(variable, nnx.Variable) else variable
    for path, leaf in jax.tree.leaves_with_path(value):
        yield _join(name, [_dotted(path)] if path else []), leaf


def _variable(variable: Any, name: str, leaves: Mapping[str, Any]) -> Any:
    value = variable.get_value() if isinstance(variable, nnx.Variable) else variable
    new = jax.tree.map_with_path(lambda path, _: leaves[_join(name, [_dotted(path)] if path else [])], value)
    return variable.replace(new) if isinstance(variable, nnx.Variable) else new


def _is_nnx(node: Any) -> bool:
    return isinstance(node, _NNX)


def _dotted(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _join(name: str, inner: Any) -> str:
    return ".".join([*([name] if name else []), *map(str, inner)])
