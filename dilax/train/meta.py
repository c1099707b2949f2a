"""What a checkpoint of dilax's own runs and conversions says about itself, readable without JAX."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .about import About

_OUTER = ("step", "metrics", "arrays")


@dataclass(frozen=True)
class CheckpointMeta:
    """What a checkpoint that dilax wrote says about itself; everything in it is plain JSON.

    Args:
        step: Training steps done; filled in on reading.
        epoch: Epochs done.
        model: Name of the model in ``dilax.models``; empty if it is none of them.
        model_options: All fields of the model's configuration.
        config: Configuration of the run, if a run wrote it.
        data_position: State of the data iterator.
        metrics: Metrics of the held-out data; NaN where a metric has no value; filled in on reading.
        best: The highest value of the run's main metric so far, None before there is one.
        progress: What a run needs besides to go on in the middle of an epoch.
        source: Where the numbers came from, e.g. the name of a converted file.
        arrays: Name to dtype and shape of each array; filled in on reading.
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
    arrays: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What ``Checkpoints.save`` takes as ``meta``: all that it does not keep itself."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in _OUTER}

    @classmethod
    def of(cls, about: About) -> "CheckpointMeta":
        """Read it from a checkpoint; what another program's checkpoint does not say has its default."""
        known = {item.name for item in fields(cls)} - set(_OUTER)
        said = {name: value for name, value in about.meta.items() if name in known}
        return cls(step=about.step, metrics=about.metrics, arrays=about.arrays, **said)
