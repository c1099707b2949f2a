"""Checkpoints are read: which step, and what is in it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, CorruptCheckpoint, FileError
from . import manifest
from .orbax_files import read_named
from .retention import Retention
from .steps import Skipped, about_of, all_steps, locate, newest
from .trees import check, shard_of, unpack


@dataclass(frozen=True)
class Restored:
    """A checkpoint that was read.

    Args:
        step: Its number.
        state: In the form of the target, or name to NumPy array or value if there was no target.
        metrics: Those that it was saved with; NaN where one has no finite value.
        meta: The JSON that it was saved with.
        skipped: Steps that would have come first and do not count.
    """

    step: int
    state: Any
    metrics: Mapping[str, float] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()


def read_checkpoint(path: str | PathLike[str], target: Any = None) -> Restored:
    """Read a checkpoint without locking it; nobody needs to know its model.

    Args:
        path: Directory of a run (its newest step that counts) or of a step.
        target: As of :meth:`Checkpoints.restore_latest`.

    Raises:
        FileError: There is no checkpoint.
        CorruptCheckpoint: It does not count.
        MismatchError: A name, shape or dtype differs from the target's; all are listed.
    """
    return read_step(locate(path, function="restore"), target)


def read_arrays(path: str | PathLike[str], part: str = "model") -> dict[str, Any]:
    """Read one part of a state as NumPy arrays by name, those of its leaves that are arrays.

    Args:
        path: Directory of a run (its newest step that counts) or of a step.
        part: The beginning of the names, up to a dot; it is left off. Empty for all.

    Raises:
        FileError: There is no checkpoint, or no such part in it.
        CorruptCheckpoint: It does not count.
    """
    step = locate(path, function="read_arrays").resolve()
    state = read_step(step, part=part).state
    arrays = {name: leaf for name, leaf in state.items() if isinstance(leaf, np.ndarray)}
    if not arrays:
        raise FileError("read_arrays", path, f"holds no array of {part!r}", "pass the name of a part that it has")
    return {name.removeprefix(f"{part}."): array for name, array in arrays.items()}


def read_step(step: Path, target: Any = None, *, part: str = "", skipped: tuple[Skipped, ...] = ()) -> Restored:
    """Read a step that was found to count, or the part of it whose names begin so."""
    step = step.resolve()
    about = about_of(step).only(part)
    wanted = dict.fromkeys(about.arrays) if target is None else check(about, target, step)
    shardings = {name: None if target is None else shard_of(wanted[name]) for name in about.arrays}
    state = unpack(read_named(step, about, shardings), about, target)
    return Restored(about.step, state, about.metrics, about.meta, skipped)


def find_latest(directory: Path) -> dict[str, Any]:
    newest_one = newest(directory)
    if newest_one.step is None:
        locate(directory, function="restore")  # says why there is none
    return found(directory / str(newest_one.step), newest_one.skipped)


def find_best(directory: Path, retention: Retention) -> dict[str, Any]:
    metric = retention.metric
    if metric is None:
        raise ArgumentError("restore_best", "metric", None, "names no metric", "pass one to Checkpoints")
    ranked = retention.ranked(all_steps(directory, hashes=False))
    if not ranked:
        raise FileError("restore_best", directory, f"holds no step with a finite {metric!r}", "use restore_latest")
    skipped: list[Skipped] = []
    for step in ranked:
        reason = manifest.problem_once(directory / str(step.step), step=step.step)
        if reason is None:
            return found(directory / str(step.step), skipped)
        skipped.append(Skipped(str(step.step), reason))
    reasons = ", ".join(map(str, skipped))
    raise CorruptCheckpoint("restore_best", directory, f"holds no best step that counts ({reasons})", "use another")


def found(path: Path, skipped: Any) -> dict[str, Any]:
    return {"path": str(path), "skipped": [asdict(entry) for entry in skipped]}
