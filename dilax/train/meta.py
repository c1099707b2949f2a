"""What a checkpoint says about itself, readable without JAX and without the arrays."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

NAME = "meta.json"


@dataclass(frozen=True)
class CheckpointMeta:
    """What a checkpoint says about itself; everything in it is plain JSON.

    Args:
        step: Training steps done; filled in on saving.
        epoch: Epochs done.
        model: Name of the model in ``dilax.models``; empty if it is none of them.
        model_options: All fields of the model's configuration.
        config: Configuration of the run, if a run wrote it.
        data_position: State of the data iterator.
        metrics: Metrics of the held-out data; NaN where a metric has no value.
        best: The highest value of the run's main metric so far, None before there is one.
        progress: What a run needs besides to go on in the middle of an epoch.
        source: Where the numbers came from, e.g. the name of a converted file.
        arrays: Of each item, the dtype and shape of each array; filled in on saving.
    """

    step: int = 0
    epoch: int = 0
    model: str = ""
    model_options: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None
    data_position: Mapping[str, Any] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: float | None = None
    progress: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    arrays: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON can hold them: a metric that is NaN becomes null."""
        metrics = {name: float(value) if math.isfinite(value) else None for name, value in self.metrics.items()}
        return {**asdict(self), "metrics": metrics}

    @classmethod
    def from_json(cls, content: Any) -> "CheckpointMeta":
        """Undo :meth:`to_json`.

        Raises:
            ValueError: The content is no such thing; the text says why.
        """
        names = {item.name for item in fields(cls)}
        if not isinstance(content, dict) or set(content) != names:
            raise ValueError("does not have the fields of a checkpoint's description")
        metrics = content["metrics"]
        read = {name: math.nan if value is None else value for name, value in metrics.items()}
        return cls(**{**content, "metrics": read})
