"""What a training run is: plain data, checked when it is made, and stored in every checkpoint."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..errors import ConfigError, FileError, MismatchError, nearest
from .checks import integers
from .parts import AugmentationConfig as AugmentationConfig
from .parts import CheckpointConfig as CheckpointConfig
from .parts import ComputeConfig as ComputeConfig
from .parts import DataConfig as DataConfig
from .parts import EvaluationConfig as EvaluationConfig
from .parts import LogConfig as LogConfig
from .parts import LossConfig as LossConfig
from .parts import OptimizerConfig as OptimizerConfig
from .parts import ScheduleConfig as ScheduleConfig


@dataclass(frozen=True)
class TrainConfig:
    """What a training run is.

    Args:
        model: Name of the model, as in ``dilax.models.list_models()``.
        model_options: Fields of the model's configuration; the others keep their defaults.
        epochs: Epochs in all.
        steps_per_epoch: Steps of an epoch; 0 for once through the data.
        seed: Decides initial values, dropout masks, samples and their order.
        data: What is learned from.
        optimizer: How parameters follow their gradients.
        schedule: How the learning rate changes.
        loss: What is minimised.
        compute: How a step is computed.
        evaluation: How the held-out data is used.
        checkpoints: When the run is saved, and what is kept.
        log: What is written besides.

    Raises:
        ConfigError: A value is out of range.
    """

    model: str = "meshnet"
    model_options: Annotated[Mapping[str, Any], tyro.conf.Suppress] = field(default_factory=dict)
    epochs: int = 10
    steps_per_epoch: int = 0
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str):
            raise ConfigError("TrainConfig", "model", self.model, "is no name", "pass a string")
        if not isinstance(self.model_options, Mapping):
            raise ConfigError(
                "TrainConfig", "model_options", self.model_options, "is no mapping", "pass names and values"
            )
        integers("TrainConfig", 1, epochs=self.epochs)
        integers("TrainConfig", 0, seed=self.seed, steps_per_epoch=self.steps_per_epoch)
        for name, kind in _parts(type(self)).items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ConfigError(
                    "TrainConfig", name, value, f"is no {kind.__name__}", f"pass a dilax.train.{kind.__name__}"
                )
        if self.data.batch_size % self.compute.accumulate:
            raise ConfigError(
                "TrainConfig", "compute.accumulate", self.compute.accumulate,
                f"does not divide the batch of {self.data.batch_size}", "pass a divisor of data.batch_size",
            )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON can hold them."""
        values: dict[str, Any] = _plain(dataclasses.asdict(self))
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Undo :meth:`to_dict`.

        Raises:
            MismatchError: Fields are unknown or missing; all of them are named.
            ConfigError: A value is out of range.
        """
        if problems := [*_unknown(cls, values), *_missing(cls, values)]:
            raise MismatchError(
                "TrainConfig", "the stored configuration does not have the expected fields",
                problems, "use the version of dilax that wrote it",
            )  # fmt: skip
        return cls().merge(values)

    def merge(self, values: Mapping[str, Any]) -> "TrainConfig":
        """The configuration with some values replaced.

        Args:
            values: Of some fields; parts are mappings of some of their fields, and lists serve for tuples.

        Raises:
            MismatchError: Fields are unknown; all of them are named.
            ConfigError: A value is out of range.
        """
        if problems := _unknown(type(self), values):
            raise MismatchError(
                "TrainConfig", "the configuration has no such fields", problems, "correct or remove them"
            )
        merged: TrainConfig = _replaced(self, _tuples(values))
        return merged


def read_config(path: str | PathLike[str], base: TrainConfig | None = None) -> TrainConfig:
    """Read a configuration from a TOML file.

    Args:
        path: A file with fields of :class:`TrainConfig`, parts as tables.
        base: Where values come from that the file does not have; the defaults if None.

    Raises:
        FileError: It cannot be read, or is no TOML.
        MismatchError: Fields are unknown; all of them are named.
        ConfigError: A value is out of range.
    """
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError("read_config", path, f"cannot be read ({error.strerror})", "check the path") from error
    except ValueError as error:
        raise FileError("read_config", path, f"is no TOML ({error})", "correct it") from error
    return (base or TrainConfig()).merge(values)


def _parts(kind: Any) -> dict[str, Any]:
    """The fields of a configuration that are configurations, with their types."""
    factories = {item.name: item.default_factory for item in dataclasses.fields(kind)}
    return {name: factory for name, factory in factories.items() if dataclasses.is_dataclass(factory)}


def _unknown(kind: Any, values: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = [item.name for item in dataclasses.fields(kind)]
    problems = [f"{prefix}{name}: unknown{nearest(name, names)}" for name in values if name not in names]
    for name, part in _parts(kind).items():
        inner = values.get(name, {})
        if isinstance(inner, Mapping):
            problems += _unknown(part, inner, f"{prefix}{name}.")
        else:
            problems.append(f"{prefix}{name}: no table of fields")
    return problems


def _missing(kind: Any, values: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = [item.name for item in dataclasses.fields(kind)]
    problems = [f"{prefix}{name}: missing" for name in names if name not in values]
    for name, part in _parts(kind).items():
        inner = values.get(name)
        if isinstance(inner, Mapping):
            problems += _missing(part, inner, f"{prefix}{name}.")
    return problems


def _replaced(config: Any, values: Mapping[str, Any]) -> Any:
    parts = _parts(type(config))
    changed = {
        name: _replaced(getattr(config, name), value) if name in parts else value for name, value in values.items()
    }
    return dataclasses.replace(config, **changed)


def _tuples(value: Any) -> Any:
    """The same with tuples for lists, as JSON and TOML have none."""
    if isinstance(value, Mapping):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
