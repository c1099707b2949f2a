"""Trees of parameters by name, whatever their form: ``nnx.State``, nested dictionaries, or flat ones."""

from typing import Any

import jax
from jax.tree_util import DictKey, GetAttrKey, SequenceKey


def name_of(path: tuple[Any, ...]) -> str:
    """Dotted name of a leaf; the step from a Flax variable to its value is no part of it."""
    return ".".join(str(part.key if isinstance(part, DictKey) else part.idx) for part in path if _counts(part))


def named_leaves(tree: Any) -> tuple[dict[str, Any], Any]:
    """The leaves by name, in order, and the tree's structure."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    return {name_of(path): leaf for path, leaf in leaves}, structure


def attribute(part: Any) -> str | None:
    """The attribute that a step of a path leads to, if it does to one."""
    return part.name if isinstance(part, GetAttrKey) else None


def _counts(part: Any) -> bool:
    return isinstance(part, DictKey | SequenceKey)
