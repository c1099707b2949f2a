"""What may change when a run is resumed."""

from dataclasses import dataclass
from typing import Any

from ..errors import MismatchError
from .config import TrainConfig

#: Fields that may change when a run is resumed; a part's name stands for all of its fields.
CHANGEABLE = (
    "checkpoints", "compute.accumulate", "data.batch_size", "data.overfit_batches", "data.skip_limit", "data.workers",
    "epochs", "evaluation", "log", "optimizer.learning_rate", "optimizer.weight_decay", "schedule", "steps_per_epoch",
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A field of the configuration that differs between two runs.

    Args:
        field: Its name; one of a part has the form ``optimizer.learning_rate``.
        old: What it was.
        new: What it is.
    """

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {self.old!r} -> {self.new!r}"


def drift(old: TrainConfig, new: TrainConfig) -> tuple[Change, ...]:
    """List what differs between a run's configuration and the one it is resumed with.

    Args:
        old: The configuration in the checkpoint.
        new: The configuration asked for.

    Returns:
        The changes, all of them to fields in :data:`CHANGEABLE`.

    Raises:
        MismatchError: Another field differs; all such fields are listed.
    """
    left, right = _flat(old.to_dict()), _flat(new.to_dict())
    pairs = [Change(name, left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]
    changes = tuple(change for change in pairs if change.old != change.new)
    forbidden = [str(change) for change in changes if not _may_change(change.field)]
    if forbidden:
        raise MismatchError(
            "train", "the run was started with another configuration", forbidden,
            f"pass the old values (only {', '.join(CHANGEABLE)} may change), or start a new run in another directory",
        )  # fmt: skip
    return changes


def _may_change(name: str) -> bool:
    return name in CHANGEABLE or name.partition(".")[0] in CHANGEABLE


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
