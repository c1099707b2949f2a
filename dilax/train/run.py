"""One run: its state, and what moves it from step to step."""

import math
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
from flax import nnx

from ..errors import FileError
from .agreement import StopVote, largest_of_processes
from .arrays import count_parameters, fill_model
from .changes import Change, drift
from .checkpoint import Checkpoints
from .config import TrainConfig
from .evaluation import EvaluationStopped, See, evaluate
from .events import CheckpointSaved, EpochDone, Report, RunEnded, RunStarted, SanityChecked, StepDone
from .failure import NonFiniteLoss, record_batch
from .interrupts import Interrupts
from .meta import CheckpointMeta
from .progress import Progress
from .schedules import learning_rate
from .step import StepResult, make_predict
from .steps import Skipped
from .task import Task

# A vote to stop that no signal has: a save failed, and the next one raises its error.
_SAVE_FAILED = 255


class _Launched(NamedTuple):
    """A step that the device may still be computing."""

    step: int
    epoch: int
    step_in_epoch: int
    position: Any
    batch: Any
    rate: float
    result: StepResult
    vote: Any


class Run:
    """A run between its checkpoints.

    Args:
        task: What it does.
        checkpoints: Where it is saved.
        emit: Called with each event.
        interrupts: What may ask it to stop.
        see: Called with examples and their prediction in each evaluation.

    Attributes:
        progress: How far it is.
    """

    def __init__(
        self, task: Task, checkpoints: Checkpoints, emit: Report, interrupts: Interrupts, *, see: See | None = None
    ) -> None:
        self.config, self._task, self._emit, self._see = task.config, task, emit, see
        self._checkpoints, self._interrupts = checkpoints, interrupts
        self.progress = Progress(steps_per_epoch=task.steps_per_epoch)
        self._state, self._predict = task.state, make_predict(task.model, mesh=task.layout.here)
        self._vote = StopVote(task.layout)
        self._launched: _Launched | None = None
        self._agreed = 0  # to stop, in all processes: the number of a signal, or _SAVE_FAILED
        self._saved: int | None = None
        self._scored: int | None = None
        self._unreported = (0, 0.0)
        self._evaluated_at: int | None = None
        self._kept: list[Any] = []
        self._settled_at = time.monotonic()

    def start(self) -> None:
        """Begin: see whether the evaluation works, and save, so that there is always something to resume from."""
        self._emit(self._started())
        self._check_evaluation()
        self._save()

    def resume(self) -> None:
        """Become what the newest checkpoint that counts says.

        Raises:
            FileError: There is none, or it is not that of a run.
            CorruptCheckpoint: There are some and none counts.
            MismatchError: The configuration or the arrays differ.
        """
        about = CheckpointMeta.of(self._checkpoints.about_latest())
        if about.config is None or about.data_position is None:
            raise FileError(
                "train", self._checkpoints.directory, "was not written by a run",
                "start a new run from its model",
            )  # fmt: skip
        changes = drift(TrainConfig.from_dict(about.config), self.config)
        restored = self._checkpoints.restore_latest(self._saved_state())
        self._take(restored.state)
        self.progress = Progress.from_json(about.progress)
        self.progress.stretch(self._task.steps_per_epoch)
        self._saved = self.progress.step
        self._task.batches.set_state(about.data_position)
        self._emit(self._started(resumed=True, skipped=restored.skipped, changes=changes))

    def go_on(self) -> None:
        """Train until the last epoch is done, nothing gets better, or a signal arrives; then save.

        Raises:
            NonFiniteLoss: The loss is NaN or infinite; nothing is saved.
            FileError: A checkpoint cannot be written.
            BadSample: A sample cannot be used.
        """
        reason = self._why_to_end()
        while reason is None:
            reason = self._train() or self._end_epoch() or self._why_to_end()
            self._save()
        self._report_saved()
        progress = self.progress
        self._emit(RunEnded(progress.step, progress.epoch, reason, progress.metrics))

    def failed(self, error: Exception) -> None:
        """Say that it ended with an error."""
        progress = self.progress
        self._emit(RunEnded(progress.step, progress.epoch, str(error), progress.metrics))

    @property
    def stopped_by(self) -> signal.Signals | None:
        """The signal that this process received, or that all agreed to stop for; None if there was none."""
        if self._interrupts.received is None and self._agreed not in (0, _SAVE_FAILED):
            return signal.Signals(self._agreed)
        return self._interrupts.received

    def trained_model(self) -> nnx.Module:
        """The model with the present arrays, in evaluation mode."""
        here = self._task.layout.copies_here(self._state.evaluated)
        fill_model(self._task.model, jax.tree.map(lambda array: array.addressable_data(0), here))
        self._task.model.eval()
        trained: nnx.Module = self._task.model
        return trained

    def _started(
        self, *, resumed: bool = False, skipped: tuple[Skipped, ...] = (), changes: tuple[Change, ...] = ()
    ) -> RunStarted:
        progress = self.progress
        return RunStarted(
            self._checkpoints.directory, self.config, count_parameters(self._state.parameters),
            progress.steps_per_epoch, self._task.layout.devices, progress.step, progress.epoch,
            resumed=resumed, skipped=skipped, changes=changes,
        )  # fmt: skip

    def _why_to_end(self) -> str | None:
        config, progress = self.config.evaluation, self.progress
        if progress.epoch >= self.config.epochs:
            return "finished"
        if config.patience and progress.stale >= config.patience:
            return f"no better {config.metric} in {progress.stale} evaluations"
        return None

    def _train(self) -> str | None:
        """Train to the end of the epoch; the reason if it has to stop before."""
        self._epoch_began, self._epoch_first = time.monotonic(), self.progress.step
        self._settled_at = self._epoch_began
        every, progress = self.config.checkpoints.every_steps, self.progress
        while progress.step_in_epoch < progress.steps_per_epoch and not self._must_stop():
            self._launch()
            if every and progress.step % every == 0 and progress.step_in_epoch < progress.steps_per_epoch:
                self._save()
        self._settle()
        return self._signal() if self._must_stop() else None

    def _must_stop(self) -> bool:
        if jax.process_count() > 1:
            return bool(self._agreed)
        return self._interrupts.received is not None

    def _signal(self) -> str:
        return "a failed save" if self.stopped_by is None else self.stopped_by.name

    def _wish(self) -> int:
        """What this process would stop for, as a vote."""
        return _SAVE_FAILED if self._checkpoints.failed else int(self._interrupts.received or 0)

    def _launch(self) -> None:
        """Start a step, and only then wait for the one before: the device is never idle for the host's sake."""
        progress = self.progress
        position = self._task.batches.get_state()
        batch = self._next_batch()
        rate = self._rate(progress.position)
        placed = self._task.layout.place_batch(batch)
        self._state, result = self._task.step(self._state, placed["image"], placed["labels"], rate)
        progress.step += 1
        progress.step_in_epoch += 1
        launched = _Launched(
            progress.step, progress.epoch + 1, progress.step_in_epoch, position, batch, rate, result,
            self._vote.cast(self._wish()),
        )  # fmt: skip
        self._settle()
        self._launched = launched

    def _next_batch(self) -> Any:
        """The next one, or one of the first where those are to be learned by heart."""
        count = self.config.data.overfit_batches
        if not count:
            return next(self._task.batches)
        if len(self._kept) < count:
            self._task.batches.set_state({"position": len(self._kept) * self.config.data.batch_size})
            self._kept += [next(self._task.batches) for _ in range(count)]
            self._task.batches.set_state({"position": 0})
        return self._kept[self.progress.step % count]

    def _rate(self, step: int) -> float:
        progress, config = self.progress, self.config
        return learning_rate(
            config.schedule, config.optimizer.learning_rate, step=step,
            steps=config.epochs * progress.steps_per_epoch, steps_per_epoch=progress.steps_per_epoch,
        )  # fmt: skip

    def _settle(self) -> None:
        """Wait for the last step that was started, and note its result.

        Raises:
            NonFiniteLoss: Its loss is NaN or infinite, or the parameters after it are.
        """
        done, self._launched = self._launched, None
        if done is None:
            return
        loss, accuracy = float(done.result.loss), float(done.result.accuracy)
        if not (math.isfinite(loss) and bool(done.result.finite)):
            raise self._failure(done, loss)
        self._agreed = self._agreed or int(done.vote)
        self.progress.add(loss, accuracy)
        now = time.monotonic()
        seconds, self._settled_at = now - self._settled_at, now
        self._emit(StepDone(done.step, done.epoch, done.step_in_epoch, loss, accuracy, done.rate, seconds))
        # Several processes say together that a save failed, or those that go on would wait for the others for ever.
        if not self._checkpoints.saving and (jax.process_count() == 1 or not self._checkpoints.failed):
            self._report_saved()

    def _failure(self, done: _Launched, loss: float) -> NonFiniteLoss:
        directory = Path(self._checkpoints.directory)
        if jax.process_count() > 1:
            directory /= f"process-{jax.process_index()}"
            directory.mkdir(exist_ok=True)
        record = record_batch(
            directory, done.batch, step=done.step, loss=loss, learning_rate=done.rate, seed=self.config.seed,
            **done.position,
        )  # fmt: skip
        return NonFiniteLoss(loss, done.step, record)

    def _check_evaluation(self) -> None:
        limit, begin = self.config.evaluation.sanity, time.monotonic()
        if not limit or self.config.data.overfit_batches:
            return
        try:
            self._evaluate(limit=limit)
        except EvaluationStopped:
            return
        self._emit(SanityChecked(time.monotonic() - begin))

    def _evaluate(self, *, limit: int | None = None, see: See | None = None) -> dict[str, float]:
        layout = self._task.layout
        return evaluate(
            self._predict, layout.copies_here(self._state.evaluated), self._task.source,
            tile=self.config.evaluation.tile, at_once=layout.devices_here, limit=limit,
            stop=lambda: self._interrupts.received is not None, see=see,
        )  # fmt: skip

    def _end_epoch(self) -> str | None:
        """Evaluate; the reason if a signal comes in the middle of it, whereupon a resumed run evaluates again."""
        progress, config, begin = self.progress, self.config.evaluation, time.monotonic()
        due = (progress.epoch + 1) % config.every == 0 or progress.epoch + 1 >= self.config.epochs
        metrics: dict[str, float] = {}
        if due and not self.config.data.overfit_batches:
            try:
                metrics = self._evaluate(see=self._see)
            except EvaluationStopped:
                self._agreed = largest_of_processes(self._wish())
                return self._signal()
            progress.judge(metrics, config.metric)
            self._evaluated_at = progress.step
        self._emit(self._epoch_done(metrics, begin))
        progress.next_epoch()
        return None

    def _epoch_done(self, metrics: dict[str, float], evaluation_began: float) -> EpochDone:
        progress, data = self.progress, self.config.data
        seconds = max(evaluation_began - self._epoch_began, 1e-9)
        edges = data.patch_size if isinstance(data.patch_size, tuple) else ()
        size = math.prod(edges) if edges else data.patch_size**self._task.source.spatial_rank  # type: ignore[operator]
        return EpochDone(
            progress.step, progress.epoch + 1, progress.loss / progress.steps_per_epoch,
            progress.accuracy / progress.steps_per_epoch, metrics, self._rate(progress.position - 1), seconds,
            time.monotonic() - evaluation_began,
            (progress.step - self._epoch_first) * data.batch_size * size / seconds,
        )  # fmt: skip

    def _save(self) -> None:
        self._settle()
        progress, begin = self.progress, time.monotonic()
        evaluated = self._evaluated_at == progress.step
        if progress.step == self._saved:
            if evaluated and self._scored != progress.step:  # the evaluation was interrupted before, and is done now
                self._checkpoints.add_metrics(progress.step, progress.metrics, meta=self._about().to_json())
                self._scored = progress.step
            return
        self._report_saved()
        metrics = progress.metrics if evaluated else {}
        self._checkpoints.save(progress.step, self._saved_state(), metrics=metrics, meta=self._about().to_json())
        self._saved, self._unreported = progress.step, (progress.step, time.monotonic() - begin)
        self._scored = progress.step if evaluated else None
        self._settled_at = time.monotonic()

    def _about(self) -> CheckpointMeta:
        progress = self.progress
        return CheckpointMeta(
            epoch=progress.epoch,
            model=self.config.model,
            model_options=self.config.model_options,
            config=self.config.to_dict(),
            data_position=self._task.batches.get_state(),
            best=progress.best,
            progress=progress.to_json(),
        )

    def _report_saved(self) -> None:
        """Wait for the checkpoint before, and say that it counts."""
        in_background = self._checkpoints.wait()
        if in_background is not None:
            step, seconds = self._unreported
            path = self._checkpoints.directory / str(step)
            self._emit(CheckpointSaved(step, path, seconds, in_background))

    def _saved_state(self) -> dict[str, Any]:
        """As it is stored: the model that is evaluated under its own name, for whoever loads it."""
        state = self._state
        saved = {"model": state.evaluated, "optimizer": state.optimizer}
        return saved | ({"parameters": state.parameters} if state.average else {})

    def _take(self, saved: dict[str, Any]) -> None:
        model, before = saved["model"], self._state
        parameters = saved.get("parameters", model)
        self._state = before._replace(
            parameters={name: parameters[name] for name in before.parameters},
            variables={name: model[name] for name in before.variables},
            optimizer=saved["optimizer"],
            average={name: model[name] for name in before.average},
        )
