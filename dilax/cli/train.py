"""``dilax train``: a run, shown as it goes."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import ArgumentError, FileError
from .console import Rate, console


def train(
    *,
    output: Path | None = None,
    resume: Path | None = None,
    initial: Path | None = None,
    model: str | None = None,
    options: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="NAME=VALUE ...")] = None,
    data: Literal["mni152", "shapes"] | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    patch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    evaluation_tile: int | None = None,
    seed: int | None = None,
    keep: int | None = None,
    keep_best: int | None = None,
) -> int:
    """Train a model, with a checkpoint after each epoch; a killed run goes on exactly where it was.

    For example:

        dilax train --output runs/brain --options channels=8 batch_norm=true --learning-rate 0.003
        dilax train --resume runs/brain --epochs 20 --learning-rate 0.0003
        dilax train --output runs/tuned --initial converted

    Args:
        output: Directory of a new run.
        resume: Directory of a run to go on with; what is not given stays as it was.
        initial: A checkpoint to start from, e.g. a converted model; says the model and its options too.
        model: Name of the architecture; meshnet in a new run.
        options: Options of the model, e.g. channels=8 activation=elu.
        data: What to learn from: mni152 (brain tissue, needs nilearn) or shapes (made up, small); mni152 in a new run.
        epochs: Epochs in all; 10 in a new run.
        steps_per_epoch: Steps from one evaluation and checkpoint to the next; 40 in a new run.
        batch_size: Patches in a step; 4 in a new run.
        patch_size: Edge of a training patch, in voxels; 32 in a new run.
        learning_rate: Step size of AdamW; 0.001 in a new run.
        weight_decay: Decoupled weight decay of AdamW; 0.01 in a new run.
        evaluation_tile: Edge of the tiles that the evaluation predicts, in voxels; 0 for the whole volume at once, as
            in a new run.
        seed: Decides initial values, dropout, patches and their order; 0 in a new run.
        keep: Newest checkpoints to keep; 3 in a new run.
        keep_best: Checkpoints of the highest mean Dice to keep besides; 1 in a new run.
    """
    from dilax import models
    from dilax.train import TrainConfig, load_model, read_meta
    from dilax.train import train as run

    from .options import parse_options

    if (output is None) == (resume is None):
        raise ArgumentError(
            "train", "output", None if output is None else str(output),
            "must be given for a new run, and --resume for an old one, not both", "pass one of them",
        )  # fmt: skip
    given: dict[str, Any] = {
        "model": model,
        "data": data,
        "epochs": epochs,
        "steps_per_epoch": steps_per_epoch,
        "batch_size": batch_size,
        "patch_size": patch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "evaluation_tile": evaluation_tile,
        "seed": seed,
        "keep": keep,
        "keep_best": keep_best,
    }
    config, start = TrainConfig(), None
    if resume is not None:
        stored = read_meta(resume).config
        if stored is None:
            raise FileError("train", resume, "was not written by a run", "pass it as --initial of a new run")
        config = TrainConfig.from_dict(stored)
    if initial is not None:
        start, about = load_model(initial)
        config = dataclasses.replace(config, model=about.model, model_options=about.model_options)
    config = dataclasses.replace(config, **{name: value for name, value in given.items() if value is not None})
    if options is not None:
        chosen = parse_options(models.config_type(config.model), options)
        config = dataclasses.replace(config, model_options={**config.model_options, **chosen})
    with RunView() as view:
        result = run(config, resume or output or "", resume=resume is not None, initial=start, report=view)
    return 0 if result.stopped_by is None else 128 + result.stopped_by


class RunView:
    """Shows a run: a bar for the steps on a terminal, and a line for each epoch."""

    def __init__(self) -> None:
        self._out = console()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"), console=self._out, transient=True,
            disable=not self._out.is_terminal,
        )  # fmt: skip
        self._total = 0
        self._per_epoch = 0

    def __enter__(self) -> "RunView":
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def __call__(self, event: Any) -> None:
        """Show an event of :mod:`dilax.train.events`."""
        getattr(self, f"_{type(event).__name__}")(event)

    def _RunStarted(self, event: Any) -> None:
        config = event.config
        self._total, self._per_epoch = config.epochs * config.steps_per_epoch, config.steps_per_epoch
        how = f"goes on at step {event.step}" if event.resumed else "starts"
        options = " ".join(f"{name}={value}" for name, value in config.model_options.items())
        self._print(f"{event.directory}: {config.model} {options}, {event.parameters:,} parameters, {how}")
        for skipped in event.skipped:
            self._print(f"skipped: {skipped}")
        for change in event.changes:
            self._print(f"changed: {change}")
        self._task = self._progress.add_task("training", total=self._total, completed=event.step, loss=float("nan"))

    def _StepDone(self, event: Any) -> None:
        self._progress.update(
            self._task, completed=event.step, loss=event.loss,
            description=f"epoch {event.epoch} of {self._total // self._per_epoch}",
        )  # fmt: skip

    def _EpochDone(self, event: Any) -> None:
        metrics = event.metrics
        self._print(
            f"epoch {event.epoch}: loss {event.loss:.4f}, accuracy {event.accuracy:.3f}; held out: "
            f"Dice {metrics['mean_dice']:.3f}, IoU {metrics['mean_iou']:.3f}; "
            f"{event.seconds:.1f} s, {event.voxels_per_second / 1e6:.2f} Mvoxel/s, "
            f"evaluation {event.evaluation_seconds:.1f} s"
        )

    def _CheckpointSaved(self, event: Any) -> None:
        self._print(f"saved {event.path} ({event.seconds * 1000:.0f} ms standing still)")

    def _RunEnded(self, event: Any) -> None:
        if event.reason.startswith("SIG"):
            self._print(f"stopped by {event.reason} at step {event.step}, saved; go on with dilax train --resume")
        elif event.reason == "finished":
            self._print(f"finished at step {event.step}, epoch {event.epoch}")

    def _print(self, line: str) -> None:
        self._progress.console.print(line)
