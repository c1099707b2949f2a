"""Which steps of a run are kept, and how the others go.

This module needs neither JAX nor Orbax.
"""

import math
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ArgumentError
from .steps import Step

Mode = Literal["max", "min"]

_LEFTOVERS = re.compile(r"\d+\.(deleting|orbax-checkpoint-tmp.*)")


@dataclass(frozen=True)
class Retention:
    """Which steps are kept: the newest, and the best by a metric.

    Args:
        keep: Newest steps to keep, 1 or more.
        keep_best: Steps with the best metric to keep besides, 0 or more.
        metric: Its name; without one no step is best.
        mode: Whether the highest value is best or the lowest.

    Raises:
        ArgumentError: A value is out of range.
    """

    keep: int = 3
    keep_best: int = 1
    metric: str | None = None
    mode: Mode = "max"

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ArgumentError("Checkpoints", "keep", self.keep, "is below 1", "pass 1 or more")
        if self.keep_best < 0:
            raise ArgumentError("Checkpoints", "keep_best", self.keep_best, "is below 0", "pass 0 or more")
        if self.mode not in ("max", "min"):
            raise ArgumentError("Checkpoints", "mode", self.mode, "is no mode", "pass 'max' or 'min'")

    def ranked(self, steps: Iterable[Step]) -> list[Step]:
        """Steps that count and have the metric, best first, the newer of two equals before the older."""
        sign = 1 if self.mode == "max" else -1
        valued = [(step, step.metrics.get(self.metric or "", math.nan)) for step in _counting(steps)]
        usable = [(sign * value, step.step, step) for step, value in valued if math.isfinite(value)]
        return [step for *_, step in sorted(usable, key=lambda entry: entry[:2], reverse=True)]

    def superfluous(self, steps: Iterable[Step]) -> list[Step]:
        """Steps that count and need not be kept, lowest first.

        One that does not count is left where it is: it is evidence, and takes no other's place.
        """
        counting = _counting(steps)
        kept = {step.step for step in [*counting[-self.keep :], *self.ranked(counting)[: self.keep_best]]}
        return [step for step in counting if step.step not in kept]


def remove(directory: Path, step: int) -> None:
    """Delete a step, under another name, so that half of one is never taken for a whole.

    Raises:
        OSError: It cannot be deleted.
    """
    gone = directory / f"{step}.deleting"
    os.replace(directory / str(step), gone)
    shutil.rmtree(gone)


def remove_leftovers(directory: Path) -> None:
    """Delete what a killed writer left unfinished: half a save, half a deletion.

    Raises:
        OSError: It cannot be deleted.
    """
    for entry in directory.iterdir():
        if _LEFTOVERS.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)


def _counting(steps: Iterable[Step]) -> list[Step]:
    return sorted((step for step in steps if step.counts), key=lambda step: step.step)
