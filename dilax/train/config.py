"""What a training run is: plain data, checked when it is made, and stored in every checkpoint."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ArgumentError, MismatchError, nearest

#: Fields that may change when a run is resumed.
CHANGEABLE = frozenset({"epochs", "evaluation_tile", "keep", "keep_best", "learning_rate", "weight_decay"})

_POSITIVE = ("patch_size", "batch_size", "steps_per_epoch", "epochs", "keep")


@dataclass(frozen=True)
class TrainConfig:
    """What a training run is.

    Args:
        model: Name of the model, as in ``dilax.models.list_models()``.
        model_options: Fields of the model's configuration; the others keep their defaults.
        data: ``"mni152"`` (brain tissue; needs nilearn) or ``"shapes"`` (made up, small).
        patch_size: Edge of a training patch, in voxels.
        batch_size: Patches in a step.
        steps_per_epoch: Steps from one evaluation and checkpoint to the next.
        epochs: Epochs in all.
        learning_rate: Step size of AdamW.
        weight_decay: Decoupled weight decay of AdamW.
        seed: Decides initial values, dropout masks, patches and their order.
        evaluation_tile: Edge of the tiles that the evaluation predicts, in voxels; 0 for the whole
            volume at once. A model that was trained on patches sees more of its surroundings in a
            whole volume than it ever did in training, and may do better on tiles like its patches.
        keep: Newest checkpoints to keep.
        keep_best: Checkpoints of the highest mean Dice to keep besides.

    Raises:
        ArgumentError: A value is out of range.
    """

    model: str = "meshnet"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    data: str = "mni152"
    patch_size: int = 32
    batch_size: int = 4
    steps_per_epoch: int = 40
    epochs: int = 10
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    seed: int = 0
    evaluation_tile: int = 0
    keep: int = 3
    keep_best: int = 1

    def __post_init__(self) -> None:
        for name in ("model", "data"):
            if not isinstance(getattr(self, name), str):
                _reject(self, name, "is no name", "pass a string")
        if not isinstance(self.model_options, Mapping):
            _reject(self, "model_options", "is no mapping", "pass names and values")
        for name in _POSITIVE:
            if not _is_integer(getattr(self, name)) or getattr(self, name) < 1:
                _reject(self, name, "is no positive integer", "pass one, e.g. 8")
        for name in ("seed", "evaluation_tile", "keep_best"):
            if not _is_integer(getattr(self, name)) or not 0 <= getattr(self, name) < 2**31:
                _reject(self, name, "is no integer from 0 to 2147483647", "pass one, e.g. 1")
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                _reject(self, name, "is no number", "pass one, e.g. 0.001")
            if not 0 <= value < float("inf"):
                _reject(self, name, "is negative or not finite", "pass a number, e.g. 0.001")

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON can hold them."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {**values, "model_options": dict(self.model_options)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Undo :meth:`to_dict`.

        Raises:
            MismatchError: Fields are unknown or missing; all of them are named.
            ArgumentError: A value is out of range.
        """
        names = [item.name for item in dataclasses.fields(cls)]
        unknown = [name for name in values if name not in names]
        problems = [f"{name}: unknown{nearest(name, names)}" for name in unknown]
        problems += [f"{name}: missing" for name in names if name not in values]
        if problems:
            raise MismatchError(
                "TrainConfig", "the stored configuration does not have the expected fields",
                problems, "use the version of dilax that wrote it",
            )  # fmt: skip
        return cls(**values)


@dataclass(frozen=True)
class Change:
    """A field of the configuration that differs between two runs.

    Args:
        field: Its name; a model's option has the form ``model_options.channels``.
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
    changes = tuple(_changes(old, new))
    forbidden = [str(change) for change in changes if change.field not in CHANGEABLE]
    if forbidden:
        raise MismatchError(
            "train", "the run was started with another configuration", forbidden,
            f"pass the old values (only {', '.join(sorted(CHANGEABLE))} may change), "
            "or start a new run in another directory",
        )  # fmt: skip
    return changes


def _changes(old: TrainConfig, new: TrainConfig) -> list[Change]:
    left, right = _flat(old), _flat(new)
    names = dict.fromkeys([*left, *right])
    pairs = [Change(name, left.get(name), right.get(name)) for name in names]
    return [change for change in pairs if change.old != change.new]


def _flat(config: TrainConfig) -> dict[str, Any]:
    values = config.to_dict()
    options = values.pop("model_options")
    return {**values, **{f"model_options.{name}": value for name, value in options.items()}}


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _reject(config: TrainConfig, name: str, rule: str, fix: str) -> None:
    raise ArgumentError("TrainConfig", name, getattr(config, name), rule, fix)
