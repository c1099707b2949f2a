"""One run: its state, and what moves it from step to step."""

import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from flax import nnx

from .. import models
from ..data import Source, load_source
from ..errors import ArgumentError, DilaxError, FileError
from .arrays import count_parameters, fill_model
from .checkpoint import Checkpoints
from .config import TrainConfig, drift
from .evaluation import evaluate
from .events import CheckpointSaved, EpochDone, Report, RunEnded, RunStarted, StepDone
from .interrupts import Interrupts
from .meta import CheckpointMeta
from .step import TrainState, initial_state, make_optimizer, make_predict, make_train_step


class NonFiniteLoss(DilaxError):
    """The loss of a batch is NaN or infinite."""

    def __init__(self, loss: float, step: int) -> None:
        super().__init__(
            f"train: loss={loss} at step {step} is not finite; "
            "resume from the last checkpoint with a lower learning rate."
        )


@dataclass(frozen=True)
class Task:
    """What a run does, checked before anything is written.

    Args:
        config: Its configuration, with all options of the model.
        model: A new model; it becomes the trained one.
        initial: The model whose arrays it starts with; it is not changed.
        source: What it learns from.
        batches: Iterator of training batches.
    """

    config: TrainConfig
    model: Any
    initial: Any
    source: Source
    batches: Any


def prepare(config: TrainConfig, initial: Any = None) -> Task:
    """Build the model, load the data, and see whether they fit.

    Args:
        config: What to do; options of the model may be left at their defaults.
        initial: A model to start from; a new one if None.

    Raises:
        ArgumentError: A name or an option is unknown, or model, initial model, patches and data do
            not fit.
        MissingDependency: The data comes with a package that is not installed.
    """
    options = config.model_options
    model: Any = models.create(config.model, rngs=nnx.Rngs(config.seed), **options)
    config = replace(config, model_options=asdict(model.config))
    if initial is not None and initial.config != model.config:
        raise ArgumentError(
            "train", "initial", initial.config, f"is not the configured {model.config}",
            "pass its configuration as model_options",
        )  # fmt: skip
    source = load_source(config.data)
    _check_model(model, source)
    return Task(config, model, model if initial is None else initial, source, _batches(config, source))


class Run:
    """A run between its checkpoints.

    Args:
        task: What it does.
        checkpoints: Where it is saved.
        emit: Called with each event.

    Attributes:
        step: Steps done.
        metrics: Of the held-out data after the last whole epoch.
    """

    def __init__(self, task: Task, checkpoints: Checkpoints, emit: Report) -> None:
        self.config, self._source, self._emit = task.config, task.source, emit
        self._checkpoints, self._unreported = checkpoints, (0, 0.0)
        self.step, self.metrics, self._best = 0, dict[str, float](), -math.inf
        self._sums = {"loss": 0.0, "accuracy": 0.0}
        optimizer = make_optimizer(task.config.weight_decay)
        self._model, self._batches = task.model, task.batches
        self._state = initial_state(task.initial, optimizer)
        self._train_step = make_train_step(self._model, optimizer)
        self._predict = make_predict(self._model)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.step // self.config.steps_per_epoch

    def start(self) -> None:
        """Begin, and save what it begins with, so that there is always something to resume from."""
        self._emit(RunStarted(self._checkpoints.directory, self.config, self._parameters()))
        self._save()

    def resume(self) -> None:
        """Become what the newest checkpoint that counts says.

        Raises:
            FileError: There is none, or it is not that of a run.
            CorruptCheckpoint: There are some and none counts.
            MismatchError: The configuration or the arrays differ.
        """
        targets = {"model_state": self._model_arrays(), "optimizer_state": self._state.optimizer}
        about = self._checkpoints.about_newest()
        if about.config is None or about.data_position is None:
            raise FileError(
                "train", self._checkpoints.directory, "was not written by a run",
                "start a new run from its model",
            )  # fmt: skip
        changes = drift(TrainConfig.from_dict(about.config), self.config)
        restored = self._checkpoints.restore(**targets)
        arrays = restored.model_state
        self._state = TrainState(
            {name: arrays[name] for name in self._state.parameters},
            {name: arrays[name] for name in self._state.variables},
            restored.optimizer_state,
        )
        about = restored.meta
        self.step, self.metrics = about.step, dict(about.metrics)
        self._best = -math.inf if about.best is None else about.best
        self._sums.update(about.progress)
        self._batches.set_state(about.data_position)
        self._emit(
            RunStarted(
                self._checkpoints.directory, self.config, self._parameters(), self.step, self.epoch,
                resumed=True, skipped=restored.skipped, changes=changes,
            )
        )  # fmt: skip

    def go_on(self, interrupts: Interrupts) -> None:
        """Train until the last epoch is done or a signal arrives; then save.

        Raises:
            NonFiniteLoss: The loss is NaN or infinite; nothing is saved.
            FileError: A checkpoint cannot be written.
        """
        reason = "finished"
        while self.epoch < self.config.epochs:
            whole = self._train_epoch(interrupts)
            self._save()
            if interrupts.received is not None:
                reason = interrupts.received.name
            if interrupts.received is not None or not whole:
                break
        self._report_saved()
        self._emit(RunEnded(self.step, self.epoch, reason, self.metrics))

    def trained_model(self) -> nnx.Module:
        """The model with the present arrays, in evaluation mode."""
        fill_model(self._model, self._model_arrays())
        self._model.eval()
        trained: nnx.Module = self._model
        return trained

    def _train_epoch(self, interrupts: Interrupts) -> bool:
        """Train to the end of the epoch and evaluate; False if a signal came before the end."""
        begin, first = time.monotonic(), self.step
        end = (self.epoch + 1) * self.config.steps_per_epoch
        while self.step < end:
            self._train_one()
            if interrupts.received is not None and self.step < end:
                return False
        seconds = time.monotonic() - begin
        self._evaluate(seconds, self.step - first)
        return True

    def _train_one(self) -> None:
        begin = time.monotonic()
        batch = next(self._batches)
        self._state, result = self._train_step(self._state, batch["image"], batch["labels"], self.config.learning_rate)
        loss, accuracy = float(result.loss), float(result.accuracy)
        self.step += 1
        if not math.isfinite(loss):
            raise NonFiniteLoss(loss, self.step)
        self._sums["loss"] += loss
        self._sums["accuracy"] += accuracy
        before, in_epoch = divmod(self.step - 1, self.config.steps_per_epoch)
        seconds = time.monotonic() - begin
        self._emit(StepDone(self.step, before + 1, in_epoch + 1, loss, accuracy, seconds))
        if not self._checkpoints.saving:
            self._report_saved()

    def _evaluate(self, seconds: float, steps: int) -> None:
        begin = time.monotonic()
        config = self.config
        self.metrics = evaluate(self._predict, self._model_arrays(), self._source, tile=config.evaluation_tile)
        means = {name: total / config.steps_per_epoch for name, total in self._sums.items()}
        self._sums = dict.fromkeys(self._sums, 0.0)
        if math.isfinite(self.metrics["mean_dice"]):
            self._best = max(self._best, self.metrics["mean_dice"])
        voxels = steps * config.batch_size * config.patch_size**3
        self._emit(
            EpochDone(
                self.step, self.epoch, means["loss"], means["accuracy"], self.metrics,
                config.learning_rate, seconds, time.monotonic() - begin, voxels / seconds,
            )
        )  # fmt: skip

    def _save(self) -> None:
        begin = time.monotonic()
        self._report_saved()
        about = CheckpointMeta(
            epoch=self.epoch,
            model=self.config.model,
            model_options=self.config.model_options,
            config=self.config.to_dict(),
            data_position=self._batches.get_state(),
            metrics=self.metrics,
            best=self._best if math.isfinite(self._best) else None,
            progress=self._sums,
        )
        self._checkpoints.save(
            self.step,
            model_state=self._model_arrays(),
            optimizer_state=self._state.optimizer,
            meta=about,
        )
        self._unreported = (self.step, time.monotonic() - begin)

    def _report_saved(self) -> None:
        """Wait for the checkpoint before, and say that it counts."""
        in_background = self._checkpoints.wait()
        if in_background is not None:
            step, seconds = self._unreported
            path = self._checkpoints.directory / str(step)
            self._emit(CheckpointSaved(step, path, seconds, in_background))

    def _model_arrays(self) -> dict[str, Any]:
        return {**self._state.parameters, **self._state.variables}

    def _parameters(self) -> int:
        return count_parameters(self._state.parameters)


def _batches(config: TrainConfig, source: Source) -> Any:
    return iter(source.training(batch_size=config.batch_size, seed=config.seed, crop=config.patch_size))


def _check_model(model: Any, source: Source) -> None:
    wanted = {"in_channels": source.in_channels, "num_classes": source.num_classes}
    for name, value in wanted.items():
        if getattr(model.config, name) != value:
            raise ArgumentError(
                "train", name, getattr(model.config, name),
                f"is not the {value} that the data has", f"pass {name}={value}",
            )  # fmt: skip
