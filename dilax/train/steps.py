"""Finds the steps of a directory that count, and says why the others do not.

This module needs neither JAX nor Orbax.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from .. import errors
from . import manifest
from .about import NAME, OLD_NAME, About, read_about
from .meta import CheckpointMeta

_LEFTOVER = re.compile(r"\d+\.(deleting|orbax-checkpoint-tmp.*|damaged-\d+)")


@dataclass(frozen=True)
class Skipped:
    """A step that does not count.

    Args:
        name: Its directory.
        reason: Why, as the rest of a sentence.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} {self.reason}"


@dataclass(frozen=True)
class Newest:
    """The newest step that counts.

    Args:
        step: Its number, None if there is none.
        skipped: The higher ones, which do not count, highest first.
    """

    step: int | None
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Step:
    """A step of a directory, whether it counts or not.

    Args:
        step: Its number.
        metrics: Name to value, NaN where there is no finite one; empty if it does not count.
        size: Bytes of all its files.
        reason: Why it does not count, as the rest of a sentence; None if it counts.
    """

    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    size: int = 0
    reason: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it is all there."""
        return self.reason is None


def candidates(directory: Path) -> list[int]:
    """Numbers of all that looks like a step by its name, highest first."""
    if not directory.is_dir():
        return []
    names = [entry.name for entry in directory.iterdir()]
    return sorted((int(name) for name in names if _is_step(name)), reverse=True)


def newest(directory: Path) -> Newest:
    """Find the newest step that counts; every file of it is read and compared."""
    skipped: list[Skipped] = []
    for step in candidates(directory):
        reason = manifest.problem_once(directory / str(step), step=step)
        if reason is None:
            return Newest(step, tuple(skipped))
        skipped.append(Skipped(str(step), reason))
    return Newest(None, tuple(skipped))


def all_steps(directory: Path, *, hashes: bool = True) -> tuple[Step, ...]:
    """All steps, lowest first.

    Args:
        directory: Of the run.
        hashes: Whether to read every file and compare its SHA-256; if not, its size alone.
    """
    return tuple(_step(directory / str(step), step, hashes) for step in reversed(candidates(directory)))


def leftovers(directory: Path) -> list[str]:
    """Names of what a killed save or deletion left behind, and of damaged steps that were set aside."""
    return sorted(entry.name for entry in directory.iterdir() if _LEFTOVER.fullmatch(entry.name))


def is_checkpoint(path: str | PathLike[str]) -> bool:
    """Whether the path is a step, or a directory with at least one thing named like a step."""
    path = Path(path)
    return path.is_dir() and ((path / manifest.NAME).exists() or bool(candidates(path)))


def locate(path: str | PathLike[str], *, function: str = "locate") -> Path:
    """Find the step that a path means: the step itself, or the newest of a run that counts.

    Args:
        path: Directory of a step or of a run.
        function: Who asks, for the message.

    Raises:
        FileError: There is no checkpoint.
        CorruptCheckpoint: There are some and none of them counts.
    """
    path = Path(path)
    if not path.exists():
        raise errors.FileError(function, path, "does not exist", "pass the directory of a run or of one of its steps")
    if not path.is_dir():
        raise errors.FileError(function, path, "is a file", "pass the directory of a run or of one of its steps")
    if any((path / name).exists() for name in (manifest.NAME, NAME, OLD_NAME)):
        if reason := manifest.problem_once(path):
            raise errors.CorruptCheckpoint(function, path, reason, "use another step")
        return path
    found = newest(path)
    if found.step is not None:
        return path / str(found.step)
    if not found.skipped:
        raise errors.FileError(function, path, "holds no checkpoint", "pass the directory of a run or of a step")
    reasons = ", ".join(map(str, found.skipped))
    raise errors.CorruptCheckpoint(function, path, f"holds no checkpoint that counts ({reasons})", "use another run")


def read_meta(path: str | PathLike[str], *, function: str = "read_meta") -> CheckpointMeta:
    """Read what a checkpoint says about itself.

    Args:
        path: Directory of a run (its newest step that counts is read) or of a step.
        function: Who asks, for the message.

    Raises:
        FileError: There is no checkpoint.
        CorruptCheckpoint: It does not count or does not say what a checkpoint says.
    """
    return CheckpointMeta.of(about_of(locate(path, function=function)))


def about_of(step: Path) -> About:
    """Read what one step says about itself; only :func:`locate` checks that it counts.

    Raises:
        CorruptCheckpoint: It does not say what a checkpoint says.
    """
    try:
        return read_about(step)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise errors.CorruptCheckpoint(
            "read_meta", step, f"does not say what a checkpoint says ({error})", "use another step"
        ) from error


def _step(path: Path, step: int, hashes: bool) -> Step:
    reason = manifest.problem(path, step=step, hashes=hashes)
    metrics: Mapping[str, float] = {}
    if reason is None:  # what a damaged one says may not be true
        try:
            metrics = about_of(path).metrics
        except errors.CorruptCheckpoint as error:
            reason = str(error)
    return Step(step, metrics, manifest.size(path), reason)


def _is_step(name: str) -> bool:
    return name.isascii() and name.isdigit() and str(int(name)) == name
