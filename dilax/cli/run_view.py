"""A run, shown as it goes."""

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .console import PlainLog, Rate, console

# Seconds between lines about steps where there is no terminal to show a bar.
_PAUSE = 60.0


class RunView:
    """Shows a run: a bar for the steps on a terminal, elsewhere a line in a minute, and a line for each epoch."""

    def __init__(self) -> None:
        self._out = console()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"), console=self._out, transient=True,
            disable=not self._out.is_terminal,
        )  # fmt: skip
        self._plain = PlainLog(self._out, "training", pause=_PAUSE)
        self._total = self._per_epoch = 0

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
        self._total, self._per_epoch = config.epochs * event.steps_per_epoch, event.steps_per_epoch
        how = f"goes on at step {event.step}" if event.resumed else "starts"
        options = " ".join(f"{name}={value}" for name, value in config.model_options.items())
        devices = f" on {event.devices} devices" if event.devices > 1 else ""
        self._print(f"{event.directory}: {config.model} {options}, {event.parameters:,} parameters, {how}{devices}")
        for skipped in event.skipped:
            self._print(f"skipped: {skipped}")
        for change in event.changes:
            self._print(f"changed: {change}")
        self._task = self._progress.add_task("training", total=self._total, completed=event.step, loss="")

    def _SanityChecked(self, event: Any) -> None:
        self._print(f"the evaluation works ({event.seconds:.1f} s)")

    def _StepDone(self, event: Any) -> None:
        self._progress.update(
            self._task, completed=event.step, loss=f"loss {event.loss:.4f}",
            description=f"epoch {event.epoch} of {self._total // self._per_epoch}",
        )  # fmt: skip

        if not self._out.is_terminal:
            self._plain(event.step, self._total)

    def _EpochDone(self, event: Any) -> None:
        metrics, held_out = event.metrics, ""
        if metrics:
            held_out = (
                f"; held out: Dice {metrics['mean_dice']:.3f}, IoU {metrics['mean_iou']:.3f}, "
                f"in {event.evaluation_seconds:.1f} s"
            )
        self._print(
            f"epoch {event.epoch}: loss {event.loss:.4f}, accuracy {event.accuracy:.3f}, "
            f"rate {event.learning_rate:.3g}; {event.seconds:.1f} s, "
            f"{event.voxels_per_second / 1e6:.2f} million voxels a second{held_out}"
        )

    def _CheckpointSaved(self, event: Any) -> None:
        self._print(f"saved {event.path} ({event.seconds * 1000:.0f} ms standing still)")

    def _RunEnded(self, event: Any) -> None:
        if event.reason.startswith("SIG"):
            self._print(f"stopped by {event.reason} at step {event.step}, saved; go on with dilax train --resume")
        elif event.reason == "finished":
            self._print(f"finished at step {event.step}, epoch {event.epoch}")
        elif event.reason.startswith("no better"):
            self._print(f"ended at step {event.step}, epoch {event.epoch}: {event.reason}")

    def _print(self, line: str) -> None:
        self._progress.console.print(line)
