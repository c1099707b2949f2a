"""state_dict <-> variables of a linen module."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from flax import linen, traverse_util
from flax.core import meta

from dilax.errors import MismatchError

from .loading import fill
from .loading_names import Rename
from .rules import differences, to_torch, trace

_LOG = logging.getLogger(__name__)


def to_linen(
    module: linen.Module,
    state_dict: Mapping[str, Any],
    *inputs: Any,
    rename: Rename | None = None,
    ignore: Iterable[str] = (),
    dtype: Any = None,
) -> dict[str, Any]:
    """The variables of a linen module with the numbers of a PyTorch checkpoint.

    As strict as :func:`interop.load`. A layer's key begins with its path in the variables, such as ``Dense_0.weight``;
    ``rename`` makes it of PyTorch's. A wrapper (``nn.RNN``, ``nn.Bidirectional``, ``nn.WeightNorm``) lends its name to
    the layer inside; the layers of an ``nn.Sequential`` are numbered. What was done is logged, at level INFO.

    Args:
        module: The module, unbound.
        state_dict: As for :func:`interop.load`.
        inputs: What the module is called with; arrays may be ``jax.ShapeDtypeStruct``.
        rename: As for :func:`interop.load`.
        ignore: As for :func:`interop.load`.
        dtype: What arrays of floats become; the module's dtypes if None.

    Returns:
        ``{"params": ..., "batch_stats": ...}``; collections that PyTorch has no equal of, such as caches, are left out.

    Raises:
        MismatchError: Keys are missing or unexpected, or shapes or dtypes disagree.
        ArgumentError: A name in ``rename`` or a pattern in ``ignore`` matches no key.
        DilaxError: There is no state_dict in ``state_dict``, or more than one; or a layer has no rule.
    """
    variables, layers, entries = trace(module, *inputs)
    report = fill(
        "to_linen", type(module).__name__, entries, state_dict,
        rename=rename, ignore=ignore, dtype=dtype, sharding=None,
    )  # fmt: skip
    _LOG.info("%s", "\n".join([str(report), *differences(layers)]))
    return variables


def from_linen(
    module: linen.Module, variables: Mapping[str, Any], *inputs: Any
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """The inverse of :func:`to_linen`.

    Args:
        module: The module, unbound.
        variables: Its variables; collections that PyTorch has no equal of are not looked at.
        inputs: What the module is called with; arrays may be ``jax.ShapeDtypeStruct``.

    Returns:
        Arrays under PyTorch's keys, in PyTorch's layout and dtypes.

    Raises:
        MismatchError: The variables are not those of the module.
        DilaxError: A layer has no rule.
    """
    _, _, entries = trace(module, *inputs)
    arrays = traverse_util.flatten_dict(meta.unbox(dict(variables)))
    problems = []
    for slot in (slot for entry in entries for slot in entry.slots):
        name, shape = "/".join(slot.path), list(slot.value.shape)
        if slot.path not in arrays:
            problems.append(f"missing: {name} {shape}")
        elif list(arrays[slot.path].shape) != shape:
            problems.append(f"shape: {name} is {list(arrays[slot.path].shape)}, the module's {shape}")
    if problems:
        raise MismatchError(
            "from_linen", f"the variables and the {type(module).__name__} differ in {len(problems)} places", problems,
            "pass the variables that module.init gives for these inputs",
        )  # fmt: skip
    return to_torch(entries, arrays)
