"""Arrays to and from Orbax's files; alone in importing Orbax."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from .about import About, items_of

_ITEM = "state"
_count = itertools.count()


def write_arrays(step: Path, arrays: Mapping[str, Any]) -> None:
    """Write a step's arrays into a directory of another name, then rename it.

    All processes do it together. They meet at barriers that need no devices, so that it may go on beside
    computations.
    """
    # A name of its own for each call: a barrier is passed once.
    together = ocp.options.MultiprocessingOptions(
        active_processes=set(range(jax.process_count())), barrier_sync_key_prefix=f"dilax-{next(_count)}"
    )
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=together),
        **{_ITEM: ocp.StandardCheckpointHandler(multiprocessing_options=together)},
    )
    with ocp.Checkpointer(handler, multiprocessing_options=together) as writer:
        writer.save(step, args=ocp.args.Composite(**{_ITEM: ocp.args.StandardSave(dict(arrays))}))


def read_named(step: Path, about: About, shardings: Mapping[str, Any]) -> dict[str, Any]:
    """Read some arrays of a step; those without elements are in no file and left out.

    Args:
        step: Its directory.
        about: What it says about itself.
        shardings: Of each array that is wanted: where it shall be, or None for a NumPy array.
    """
    arrays: dict[str, Any] = {}
    for item, names in items_of(step, about).items():
        inside = {inner: name for inner, name in names.items() if name in shardings and 0 not in about.arrays[name][1]}
        if inside:
            how = {inner: _how(shardings[name]) for inner, name in inside.items()}
            arrays |= {inside[inner]: array for inner, array in _read(step, item, how).items()}
    return arrays


def _read(step: Path, item: str, how: dict[str, Any]) -> dict[str, Any]:
    wanted = ocp.args.PyTreeRestore(dict.fromkeys(how, 0), restore_args=how, partial_restore=True)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as reader:
        read = reader.restore(step, args=ocp.args.Composite(**{item: wanted}))
    found: dict[str, Any] = read[item]
    return found


def _how(sharding: Any) -> Any:
    return ocp.RestoreArgs(restore_type=np.ndarray) if sharding is None else ocp.ArrayRestoreArgs(sharding=sharding)
