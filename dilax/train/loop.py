"""The training loop: epochs of steps, an evaluation and a checkpoint after each."""

import signal
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from ..errors import ArgumentError, DilaxError, FileError
from .board import Board
from .changes import drift
from .checkpoint import Checkpoints
from .config import TrainConfig
from .events import Event, Report
from .failure import LostProcess
from .interrupts import Interrupts
from .layout import Layout
from .log import NAME as LOG
from .log import Log
from .processes import from_first, is_first
from .run import Run
from .steps import read_meta
from .task import prepare


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Args:
        directory: Where it wrote.
        step: Steps done.
        epoch: Epochs done.
        metrics: Of the held-out data after the last whole epoch.
        model: The model, in evaluation mode.
        stopped_by: The signal that stopped it, in this process or another; None if it finished.
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
    moments: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
    report: Report | None = None,
) -> Result:
    """Train a model, with a checkpoint at the start, after each epoch, and on SIGTERM or SIGINT.

    A resumed run does exactly what the run would have done without the interruption: on the same
    devices the parameters agree bit for bit. With several processes all of them call this, on one file system.

    Args:
        config: What to do.
        directory: Where to write; empty or absent in a new run.
        resume: Go on from the newest checkpoint that counts.
        initial: A model to start from, e.g. a converted one; it is not changed.
        moments: What the optimizer begins with, as :func:`dilax.train.optimizers.fill_moments` takes it.
        layout: On which devices; all of them if None.
        report: Called with each event.

    Returns:
        How it ended.

    Raises:
        ArgumentError: The configuration does not fit the data or the initial model.
        FileError: The directory is in use, cannot be written, or has nothing to resume from.
        CorruptCheckpoint: No checkpoint in it counts.
        MismatchError: The run was started with another configuration.
        NonFiniteLoss: The loss is NaN or infinite; checkpoints stay as they are.
        LostProcess: Another process of the run ended or cannot be reached.
        BadSample: A sample cannot be used.
        MissingDependency: The data, or what is to be written, needs a package that is not installed.
    """
    directory = Path(directory)
    from_first(lambda: _check(config, directory, resume, initial))
    keeping = config.checkpoints
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        task = prepare(config, initial, moments=moments, layout=layout or Layout.over_all_devices())
        stack.callback(task.batches.close)
        checkpoints = stack.enter_context(
            Checkpoints(
                directory, keep=keeping.keep, keep_best=keeping.keep_best, metric=config.evaluation.metric
            )
        )  # fmt: skip
        listeners = [] if report is None else [report]
        board = None
        if is_first():
            listeners.insert(0, stack.enter_context(closing(Log(directory / LOG, task.source.bad_samples))))
            if config.log.tensorboard:
                board = stack.enter_context(closing(Board(directory, task.source, pictures=config.log.pictures)))
                listeners.append(board)
        run = Run(task, checkpoints, _all_of(listeners), interrupts, see=None if board is None else board.see)
        _go(run, resume)
    progress = run.progress
    return Result(directory, progress.step, progress.epoch, progress.metrics, run.trained_model(), run.stopped_by)


def _go(run: Run, resume: bool) -> None:
    try:
        run.resume() if resume else run.start()
        run.go_on()
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or not LostProcess.is_meant_by(error):
            raise
        raise LostProcess(error) from error
    except DilaxError as error:
        with suppress(FileError):  # the log may be what cannot be written
            run.failed(error)
        raise


def _check(config: TrainConfig, directory: Path, resume: bool, initial: Any) -> None:
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
    if resume:
        _check_changes(config, directory)


def _check_changes(config: TrainConfig, directory: Path) -> None:
    """Refuse what may not change before it is built, or the user would hear that it does not fit instead."""
    stored = read_meta(directory, function="train").config
    if stored is not None:
        old = TrainConfig.from_dict(stored)
        options = config.model_options if config.model == old.model else {}
        drift(old, replace(config, model_options={**old.model_options, **options}))


def _all_of(listeners: list[Report]) -> Report:
    def emit(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return emit
