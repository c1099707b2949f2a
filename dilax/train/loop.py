"""The training loop: epochs of steps, an evaluation and a checkpoint after each."""

import dataclasses
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from flax import nnx

from .. import models
from ..data import load_source
from ..errors import ArgumentError, DilaxError, FileError
from .checkpoint import Checkpoints
from .config import TrainConfig
from .events import Event, Report, RunEnded
from .interrupts import Interrupts
from .log import NAME as LOG
from .log import Log
from .run import Run


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
    config = with_all_options(config)
    directory = Path(directory)
    _check_arguments(config, directory, resume, initial)
    source = load_source(config.data)
    with (
        Checkpoints(directory, keep=config.keep, keep_best=config.keep_best) as checkpoints,
        Interrupts() as interrupts,
    ):
        log = Log(directory / LOG)
        emit = _fan_out(log, report)
        run = Run(config, source, checkpoints, emit, initial=initial)
        try:
            run.resume() if resume else run.start()
            run.go_on(interrupts)
        except DilaxError as error:
            emit(RunEnded(run.step, run.epoch, str(error), run.metrics))
            raise
        finally:
            log.close()
        return Result(
            directory, run.step, run.epoch, run.metrics, run.trained_model(), interrupts.received
        )


def with_all_options(config: TrainConfig) -> TrainConfig:
    """The same configuration with every option of its model, also those left at their defaults.

    Raises:
        ArgumentError: No such model or option, or an option out of range.
    """
    model: Any = models.create(config.model, **config.model_options)
    return dataclasses.replace(config, model_options=dataclasses.asdict(model.config))


def _check_arguments(config: TrainConfig, directory: Path, resume: bool, initial: Any) -> None:
    if resume and initial is not None:
        raise ArgumentError(
            "train", "initial", type(initial).__name__, "cannot be the start of a resumed run",
            "pass resume or initial, not both",
        )  # fmt: skip
    if initial is not None and dataclasses.asdict(initial.config) != config.model_options:
        raise ArgumentError(
            "train", "initial", initial.config,
            f"is not the configured model, {dict(config.model_options)}",
            "pass its configuration as model_options",
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
