import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dilax.errors import ConfigError, FileError, MismatchError
from dilax.train import (
    AugmentationConfig,
    Change,
    CheckpointConfig,
    ComputeConfig,
    DataConfig,
    EvaluationConfig,
    LossConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
    drift,
    read_config,
)

CONFIG = TrainConfig(
    model_options={"channels": 7, "dilations": (1, 2)}, seed=5,
    data=DataConfig("shapes", patch_size=(9, 10, 11), batch_size=2, options={"seed": 3}),
    schedule=ScheduleConfig("step", milestones=(2, 4)),
)  # fmt: skip


def test_a_dictionary_of_json_gives_the_configuration_back() -> None:
    assert TrainConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG


def test_unknown_and_missing_fields_are_all_named() -> None:
    values = CONFIG.to_dict()
    values["optimiser"] = values.pop("optimizer")
    values["data"]["batchsize"] = values["data"].pop("batch_size")
    values["data"]["augmentation"].pop("hue")
    values["loss"] = 3
    with pytest.raises(MismatchError) as caught:
        TrainConfig.from_dict(values)
    assert str(caught.value) == (
        "TrainConfig: the stored configuration does not have the expected fields; "
        "use the version of dilax that wrote it."
        "\n  optimiser: unknown (did you mean 'optimizer'?)"
        "\n  data.batchsize: unknown (did you mean 'batch_size'?)"
        "\n  loss: no table of fields"
        "\n  optimizer: missing"
        "\n  data.batch_size: missing"
        "\n  data.augmentation.hue: missing"
    )


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (DataConfig, {"patch_size": (9, 0)}, "patch_size=0 is no positive integer; pass one, e.g. 8."),
        (DataConfig, {"batch_size": True}, "batch_size=True is no positive integer; pass one, e.g. 8."),
        (
            DataConfig,
            {"bad_samples": "skp"},
            "bad_samples='skp' is unknown (did you mean 'skip'?); pass one of raise, skip.",
        ),
        (TrainConfig, {"epochs": 1.5}, "epochs=1.5 is no positive integer; pass one, e.g. 8."),
        (TrainConfig, {"seed": -1}, "seed=-1 is no integer from 0 to 2147483647; pass one, e.g. 1."),
        (TrainConfig, {"model": 3}, "model=3 is no name; pass a string."),
        (TrainConfig, {"model_options": 3}, "model_options=3 is no mapping; pass names and values."),
        (TrainConfig, {"data": "shapes"}, "data='shapes' is no DataConfig; pass a dilax.train.DataConfig."),
        (
            TrainConfig,
            {"compute": ComputeConfig(accumulate=3)},
            "compute.accumulate=3 does not divide the batch of 4; pass a divisor of data.batch_size.",
        ),
        (CheckpointConfig, {"keep": 0}, "keep=0 is no positive integer; pass one, e.g. 8."),
        (
            OptimizerConfig,
            {"learning_rate": float("nan")},
            "learning_rate=nan is negative or not finite; pass a number, e.g. 0.001.",
        ),
        (OptimizerConfig, {"weight_decay": "1"}, "weight_decay='1' is no number; pass one, e.g. 0.001."),
        (OptimizerConfig, {"betas": (0.9, 1)}, "betas=1 is outside [0, 1); pass a number, e.g. 0.001."),
        (OptimizerConfig, {"betas": 0.9}, "betas=0.9 is no pair; pass two numbers, e.g. (0.9, 0.999)."),
        (OptimizerConfig, {"nesterov": 1}, "nesterov=1 is neither True nor False; pass one of them."),
        (
            OptimizerConfig,
            {"name": "adamm"},
            "name='adamm' is unknown (did you mean 'adam'?); pass one of adamw, adam, sgd, rmsprop, lion, lamb.",
        ),
        (ScheduleConfig, {"milestones": 3}, "milestones=3 is no list; pass epochs, e.g. (30, 60)."),
        (AugmentationConfig, {"scale": 2.0}, "scale=2.0 is no pair; pass two numbers, e.g. (0.5, 2.0)."),
        (AugmentationConfig, {"flip": "no"}, "flip='no' is neither True nor False; pass one of them."),
        (AugmentationConfig, {"hue": "0.1"}, "hue='0.1' is no number; pass one, e.g. 0.001."),
        (LossConfig, {"cross_entropy": 0}, "cross_entropy=0 leaves no loss; pass one above 0."),
    ],
)
def test_bad_values(kind: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        kind(**values)
    assert str(caught.value) == f"{kind.__name__}: {message}"


def test_what_may_change_is_reported() -> None:
    new = CONFIG.merge({"optimizer": {"learning_rate": 0.5}, "epochs": 99, "schedule": {"milestones": [3]}})
    assert drift(CONFIG, CONFIG) == ()
    assert drift(CONFIG, new) == (
        Change("epochs", 10, 99),
        Change("optimizer.learning_rate", 0.001, 0.5),
        Change("schedule.milestones", [2, 4], [3]),
    )


def test_every_other_change_is_refused_and_listed() -> None:
    new = CONFIG.merge({"seed": 6, "model_options": {"channels": 8, "dilations": [1, 2]}, "loss": {"dice": 1.0}})
    with pytest.raises(MismatchError) as caught:
        drift(CONFIG, new)
    assert str(caught.value) == (
        "train: the run was started with another configuration; pass the old values (only checkpoints, "
        "compute.accumulate, data.batch_size, data.overfit_batches, data.skip_limit, data.workers, epochs, evaluation, "
        "log, optimizer.learning_rate, optimizer.weight_decay, schedule, steps_per_epoch may change), or start a new "
        "run in another directory."
        "\n  model_options.channels: 7 -> 8"
        "\n  seed: 5 -> 6"
        "\n  loss.dice: 0.0 -> 1.0"
    )


def test_a_file_replaces_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        "epochs = 3\nmodel_options = {channels = 9}\n[data]\npatch_size = [4, 5, 6]\n"
        "[data.augmentation]\nscale = [0.5, 2.0]\n[evaluation]\nevery = 2\n"
    )
    found = read_config(path, CONFIG)
    assert found == dataclasses.replace(
        CONFIG, epochs=3, model_options={"channels": 9}, evaluation=EvaluationConfig(every=2),
        data=dataclasses.replace(CONFIG.data, patch_size=(4, 5, 6), augmentation=AugmentationConfig((0.5, 2.0))),
    )  # fmt: skip


def test_files_that_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    with pytest.raises(FileError) as absent:
        read_config(path)
    assert str(absent.value) == (
        f"read_config: {str(path)!r} cannot be read (No such file or directory); check the path."
    )
    path.write_text("epochs = ")
    with pytest.raises(FileError) as torn:
        read_config(path)
    assert str(torn.value) == (
        f"read_config: {str(path)!r} is no TOML (Invalid value (at end of document)); correct it."
    )
    path.write_text("[optimizer]\nlr = 0.1\n")
    with pytest.raises(MismatchError) as unknown:
        read_config(path)
    assert str(unknown.value) == (
        "TrainConfig: the configuration has no such fields; correct or remove them.\n  optimizer.lr: unknown"
    )


def test_random_changes_are_those_of_the_data() -> None:
    from dilax.data import Augmentation

    assert dataclasses.asdict(AugmentationConfig()) == dataclasses.asdict(Augmentation())


def test_configuration_and_descriptions_are_read_without_jax_and_numpy() -> None:
    code = (
        "import sys; from dilax.train import TrainConfig, read_meta, is_checkpoint; TrainConfig(); "
        "print(sorted({'jax', 'numpy', 'orbax', 'flax', 'grain'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
