import subprocess
import sys
from typing import Any

import pytest

from dilax.errors import ArgumentError, MismatchError
from dilax.train import TrainConfig, drift
from dilax.train.config import Change

CONFIG = TrainConfig(model_options={"channels": 7}, data="shapes", patch_size=9, batch_size=2, seed=5)


def test_a_dictionary_gives_the_configuration_back() -> None:
    assert TrainConfig.from_dict(CONFIG.to_dict()) == CONFIG


def test_unknown_and_missing_fields_are_all_named() -> None:
    values = CONFIG.to_dict()
    values["lerning_rate"] = values.pop("learning_rate")
    del values["seed"]
    with pytest.raises(MismatchError) as caught:
        TrainConfig.from_dict(values)
    assert str(caught.value) == (
        "TrainConfig: the stored configuration does not have the expected fields; "
        "use the version of dilax that wrote it."
        "\n  lerning_rate: unknown (did you mean 'learning_rate'?)"
        "\n  learning_rate: missing"
        "\n  seed: missing"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"patch_size": 0}, "patch_size=0 is no positive integer; pass one, e.g. 8."),
        ({"batch_size": True}, "batch_size=True is no positive integer; pass one, e.g. 8."),
        ({"epochs": 1.5}, "epochs=1.5 is no positive integer; pass one, e.g. 8."),
        ({"keep": 0}, "keep=0 is no positive integer; pass one, e.g. 8."),
        ({"seed": -1}, "seed=-1 is no integer from 0 to 2147483647; pass one, e.g. 1."),
        (
            {"learning_rate": float("nan")},
            "learning_rate=nan is negative or not finite; pass a number, e.g. 0.001.",
        ),
        ({"weight_decay": "1"}, "weight_decay='1' is no number; pass one, e.g. 0.001."),
        ({"model": 3}, "model=3 is no name; pass a string."),
        ({"model_options": 3}, "model_options=3 is no mapping; pass names and values."),
    ],
)
def test_bad_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        TrainConfig(**values)
    assert str(caught.value) == f"TrainConfig: {message}"


def test_what_may_change_is_reported() -> None:
    new = TrainConfig.from_dict({**CONFIG.to_dict(), "learning_rate": 0.5, "epochs": 99})
    assert drift(CONFIG, CONFIG) == ()
    assert drift(CONFIG, new) == (Change("epochs", 10, 99), Change("learning_rate", 0.001, 0.5))


def test_every_other_change_is_refused_and_listed() -> None:
    new = {**CONFIG.to_dict(), "seed": 6, "learning_rate": 0.5, "model_options": {"channels": 8}}
    with pytest.raises(MismatchError) as caught:
        drift(CONFIG, TrainConfig.from_dict(new))
    assert str(caught.value) == (
        "train: the run was started with another configuration; pass the old values (only epochs, "
        "evaluation_tile, keep, keep_best, learning_rate, weight_decay may change), "
        "or start a new run in another directory."
        "\n  seed: 5 -> 6"
        "\n  model_options.channels: 7 -> 8"
    )


def test_configuration_and_descriptions_are_read_without_jax_and_numpy() -> None:
    code = (
        "import sys; from dilax.train import TrainConfig, read_meta, is_checkpoint; TrainConfig(); "
        "print(sorted({'jax', 'numpy', 'orbax', 'flax', 'grain'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
