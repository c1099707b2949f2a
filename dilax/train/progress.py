"""How far a run is, as numbers that a checkpoint can hold."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Progress:
    """How far a run is.

    Args:
        step: Steps done.
        epoch: Epochs done and, where one is due, evaluated.
        step_in_epoch: Steps done of the next epoch; all of them while it waits for its evaluation.
        steps_per_epoch: Steps of that epoch.
        loss: Sum over those steps.
        accuracy: Likewise.
        metrics: Of the last evaluation.
        best: The highest value of the run's metric so far, None before there is one.
        stale: Evaluations since then.
    """

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    steps_per_epoch: int = 0
    loss: float = 0.0
    accuracy: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    stale: int = 0

    @property
    def position(self) -> int:
        """Steps done, as a schedule counts them: in epochs of their present length."""
        return self.epoch * self.steps_per_epoch + self.step_in_epoch

    def add(self, loss: float, accuracy: float) -> None:
        """Note the result of a step."""
        self.loss += loss
        self.accuracy += accuracy

    def next_epoch(self) -> None:
        """Begin another epoch."""
        self.epoch, self.step_in_epoch, self.loss, self.accuracy = self.epoch + 1, 0, 0.0, 0.0

    def judge(self, metrics: Mapping[str, float], name: str) -> None:
        """Note an evaluation; NaN is never better."""
        self.metrics = dict(metrics)
        value = metrics[name]
        if math.isfinite(value) and (self.best is None or value > self.best):
            self.best, self.stale = value, 0
        else:
            self.stale += 1

    def stretch(self, steps_per_epoch: int) -> None:
        """Take over another length of the epochs; the share that is done stays as it is."""
        if self.steps_per_epoch and self.steps_per_epoch != steps_per_epoch:
            done = self.step_in_epoch / self.steps_per_epoch
            self.step_in_epoch = int(done * steps_per_epoch)
        self.steps_per_epoch = steps_per_epoch

    def to_json(self) -> dict[str, Any]:
        """All fields; a metric that has no value becomes null."""
        return {**asdict(self), "metrics": {k: v if math.isfinite(v) else None for k, v in self.metrics.items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Progress":
        """Undo :meth:`to_json`."""
        metrics = {name: math.nan if value is None else value for name, value in values["metrics"].items()}
        return cls(**{**values, "metrics": metrics})
