"""The training loop: epochs of steps, an evaluation and a checkpoint after each."""

import signal
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from flax import nnx

from ..errors import ArgumentError, DilaxError, FileError
from .checkpoint import Checkpoints
from .config import TrainConfig
from .events import Event, Report, RunEnded
from .interrupts import Interrupts
from .log import NAME as LOG
from .log import Log
from .run import Run, prepare


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Args:
        directory: Where it wrote.
        step: Steps done.
        epoch: Epochs done.
        metrics: Of the held-out data after the last whole epoch.
        model: The model, in evaluation mode.
        stopped_by: The signal that stopped it; None if it finished.
    """

    directory: Path
    step: int
    epoch: int
    metrics: Mapping[str, float]
    model: nnx.Module
    stopped_by: signal.Signals | None


def train(
    config: TrainConfig,
    directory: str | PathLike[str],
    *,
    resume: bool = False,
    initial: nnx.Module | None = None,
    report: Report | None = None,
) -> Result:
    """Train a model, with a checkpoint at the start, after each epoch, and on SIGTERM or SIGINT.

    A resumed run does exactly what the run would have done without the interruption: on the same
    machine the parameters agree bit for bit.

    Args:
        config: What to do.
        directory: Where to write; empty or absent in a new run.
        resume: Go on from the newest checkpoint that counts.
        initial: A model to start from, e.g. a converted one; it is not changed.
        report: Called with each event.

    Returns:
        How it ended.

    Raises:
        ArgumentError: The configuration does not fit the data or the initial model.
        FileError: The directory is in use, cannot be written, or has nothing to resume from.
        CorruptCheckpoint: No checkpoint in it counts.
        MismatchError: The run was started with another configuration.
        NonFiniteLoss: The loss is NaN or infinite; checkpoints stay as they are.
    """
    directory = Path(directory)
    _check_directory(directory, resume, initial)
    task = prepare(config, initial)
    with (
        Checkpoints(directory, keep=config.keep, keep_best=config.keep_best, metric="mean_dice") as checkpoints,
        closing(Log(directory / LOG)) as log,
        Interrupts() as interrupts,
    ):
        emit = _fan_out(log, report)
        run = Run(task, checkpoints, emit)
        try:
            run.resume() if resume else run.start()
            run.go_on(interrupts)
        except DilaxError as error:
            emit(RunEnded(run.step, run.epoch, str(error), run.metrics))
            raise
    model = run.trained_model()
    return Result(directory, run.step, run.epoch, run.metrics, model, interrupts.received)


def _check_directory(directory: Path, resume: bool, initial: Any) -> None:
    if resume and initial is not None:
        raise ArgumentError(
            "train", "initial", type(initial).__name__, "cannot be the start of a resumed run",
            "pass resume or initial, not both",
        )  # fmt: skip
    if resume and not directory.is_dir():
        raise FileError("train", directory, "is no run to resume", "pass the directory of a run")
    if not resume and directory.is_dir() and any(directory.iterdir()):
        raise FileError(
            "train", directory, "is not empty",
            "resume the run in it (--resume), or pass another directory",
        )  # fmt: skip


def _fan_out(log: Log, report: Report | None) -> Report:
    def emit(event: Event) -> None:
        log(event)
        if report is not None:
            report(event)

    return emit
