"""What a run tells whoever watches it: the command line, a notebook, the log file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .changes import Change
from .config import TrainConfig
from .steps import Skipped


@dataclass(frozen=True)
class RunStarted:
    """A run begins, or goes on.

    Args:
        directory: Where it writes.
        config: What it is, with all options of the model.
        parameters: Numbers that are trained.
        steps_per_epoch: Steps of an epoch.
        devices: Devices that it runs on.
        step: Steps done before; 0 in a new run.
        epoch: Epochs done before.
        resumed: Whether it goes on from a checkpoint.
        skipped: Newer checkpoints that do not count.
        changes: What differs from the configuration before.
    """

    directory: Path
    config: TrainConfig
    parameters: int
    steps_per_epoch: int
    devices: int = 1
    step: int = 0
    epoch: int = 0
    resumed: bool = False
    skipped: tuple[Skipped, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class SanityChecked:
    """The evaluation works; what it found is not used.

    Args:
        seconds: How long it took.
    """

    seconds: float


@dataclass(frozen=True)
class StepDone:
    """A step is done.

    Args:
        step: Steps done in the run.
        epoch: The epoch it is part of, from 1.
        step_in_epoch: Steps done in the epoch.
        loss: Of its batch, before the update.
        accuracy: Of its batch, before the update, a share.
        learning_rate: Of its update.
        seconds: From the end of the step before.
    """

    step: int
    epoch: int
    step_in_epoch: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class EpochDone:
    """An epoch is trained, and evaluated where that is due.

    Args:
        step: Steps done in the run.
        epoch: Epochs done.
        loss: Mean over its steps.
        accuracy: Mean over its steps, a share.
        metrics: Of the held-out data; empty where they were not due.
        learning_rate: Of its last step.
        seconds: Training alone, of this process.
        evaluation_seconds: Evaluation alone.
        voxels_per_second: Pixels or voxels of training samples, of all processes.
    """

    step: int
    epoch: int
    loss: float
    accuracy: float
    metrics: Mapping[str, float]
    learning_rate: float
    seconds: float
    evaluation_seconds: float
    voxels_per_second: float


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint counts.

    Args:
        step: Its step.
        path: Its directory.
        seconds: How long training stood still for it.
        seconds_in_background: How long it took in all.
    """

    step: int
    path: Path
    seconds: float
    seconds_in_background: float


@dataclass(frozen=True)
class RunEnded:
    """A run is over.

    Args:
        step: Steps done.
        epoch: Epochs done.
        reason: ``"finished"``, the name of a signal, why it stopped early, or the message of an error.
        metrics: The last ones.
    """

    step: int
    epoch: int
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)


Event = RunStarted | SanityChecked | StepDone | EpochDone | CheckpointSaved | RunEnded
Report = Callable[[Event], None]
