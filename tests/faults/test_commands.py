"""``dilax train`` as its users call it, where something is wrong: one sentence, and nothing lost."""

import hashlib
import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dilax.train import read_meta

from .running import finish, lines, start_dilax

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SMALL = [
    "--data", "shapes", "--patch-size", "9", "--batch-size", "2", "--steps-per-epoch", "3", "--options", "channels=3",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch of three steps."""
    run = tmp_path_factory.mktemp("trained") / "run"
    finish(start_dilax("train", "--output", run, *SMALL, "--epochs", 1))
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def test_an_interrupt_from_the_keyboard(tmp_path: Path) -> None:
    run = tmp_path / "run"
    child = start_dilax("train", "--output", run, *SMALL, "--steps-per-epoch", 99999)
    assert any(line.startswith("saved ") for line in lines(child))
    child.send_signal(signal.SIGINT)
    said, err = finish(child, status=130)
    step = read_meta(run).step
    assert said[-1] == f"stopped by SIGINT at step {step}, saved; go on with dilax train --resume"
    assert err == []
    said, _ = finish(start_dilax("train", "--resume", run, "--steps-per-epoch", 3, "--epochs", 1))
    assert said[0].endswith(f", goes on at step {step}")
    assert said[-1] == f"finished at step {step + 3}, epoch 1"


def _hashes(run: Path) -> dict[str, str]:
    """Of every file of every checkpoint."""
    files = [path for path in run.rglob("*") if path.is_file() and path.parent != run]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _logged(run: Path, event: str) -> list[Any]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def _error(child: Any) -> str:
    _, err = finish(child, status=2)
    return "\n".join(line for line in err if line)


def test_a_loss_that_is_not_a_number_and_another_learning_rate(run: Path) -> None:
    before = _hashes(run)
    assert _error(start_dilax("train", "--resume", run, "--epochs", 2, "--learning-rate", "1e38")) == (
        "dilax: train: parameters after step 4 are not finite; resume from the last checkpoint with a lower learning "
        f"rate, and see the batch in {str(run / 'not-finite-at-4.npz')!r}."
    )
    assert _hashes(run) == before
    assert (run / "not-finite-at-4.npz").is_file()
    changes = ["--epochs", 3, "--learning-rate", "0.01", "--schedule", "cosine", "--batch-size", 4]
    said, _ = finish(start_dilax("train", "--resume", run, *changes))
    assert [line for line in said if line.startswith("changed: ")] == [
        "changed: epochs: 1 -> 3", "changed: data.batch_size: 2 -> 4",
        "changed: optimizer.learning_rate: 0.001 -> 0.01", "changed: schedule.name: 'constant' -> 'cosine'",
    ]  # fmt: skip
    logged = _logged(run, "run_started")[-1]["changes"]
    assert [(change["field"], change["new"]) for change in logged][2] == ("optimizer.learning_rate", 0.01)
    rates = [epoch["learning_rate"] for epoch in _logged(run, "epoch_done")]
    assert rates == pytest.approx([0.001] + [0.01 * (1 + np.cos(np.pi * step / 9)) / 2 for step in (5, 8)])
    assert read_meta(run).step == 9


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (
            ["--options", "channels=5", "--seed", "7"],
            [
                "train: the run was started with another configuration; ",
                "model_options.channels: 3 -> 5",
                "seed: 0 -> 7",
            ],
        ),
        (["--options", "num_classes=4"], ["another configuration; ", "\n  model_options.num_classes: 3 -> 4"]),
        (
            ["--model", "fcn_resnet50", "--data", "shapes_2d"],
            ["\n  model: 'meshnet' -> 'fcn_resnet50'\n  data.source: 'shapes' -> 'shapes_2d'"],
        ),
    ],
)
def test_another_model_width_and_other_classes(run: Path, change: list[str], messages: list[str]) -> None:
    before = _hashes(run)
    said = _error(start_dilax("train", "--resume", run, "--epochs", 2, *change))
    for message in messages:
        assert message in said
    assert _hashes(run) == before


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Six pictures with their masks, of which one is cut short, one is empty and one of another size than its mask."""
    rng = np.random.default_rng(0)
    for kind, shape in (("images", (9, 8, 3)), ("masks", (9, 8))):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for index in range(6):
            size = (7, 8, 3) if (kind, index) == ("images", 4) else shape
            pixels = rng.integers(3, size=size).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / kind / f"{index}.png")
    torn, empty, small = (tmp_path / "data" / "images" / f"{index}.png" for index in (1, 3, 4))
    torn.write_bytes(torn.read_bytes()[:-60])
    empty.write_bytes(b"")
    return [torn, empty, small]


def test_corrupt_samples(tmp_path: Path, pictures: list[Path]) -> None:
    (tmp_path / "data" / "held-out.txt").write_text("0\n")
    (tmp_path / "run.toml").write_text(
        'model = "lraspp_mobilenet_v3_large"\nepochs = 2\nsteps_per_epoch = 3\n'
        f'[data]\nsource = "folder:{tmp_path / "data"}"\nbatch_size = 2\npatch_size = 8\n'
        '[data.options]\nclass_names = ["a", "b", "c"]\nevaluation_list = "held-out.txt"\n'
    )
    arguments = ["train", "--config", tmp_path / "run.toml", "--output"]
    said = _error(start_dilax(*arguments, tmp_path / "raise"))
    assert said.startswith("dilax: read_example: ")
    assert any(str(path) in said for path in pictures)
    assert "pass bad_samples='skip'" in said
    skip = ["--data.bad-samples", "skip", "--data.skip-limit"]
    said = _error(start_dilax(*arguments, tmp_path / "cap", *skip, 2))
    assert said.splitlines()[-1].endswith(
        "is one bad sample more than the 2 that may be skipped; "
        "repair the samples that the log names, or raise skip_limit."
    )
    out, err = finish(start_dilax(*arguments, tmp_path / "skip", *skip, 3))
    assert out[-1] == "finished at step 6, epoch 2"
    named = [found[1] for line in err if (found := re.search(r"skipped (\d): ", line))]
    assert sorted(named) == ["1", "3", "4"]
    logged = _logged(tmp_path / "skip", "sample_skipped")
    assert sorted(sample["name"] for sample in logged) == ["1", "3", "4"]
    assert [(sample["count"], sample["limit"]) for sample in logged] == [(1, 3), (2, 3), (3, 3)]


def test_processes_that_nobody_started(tmp_path: Path) -> None:
    assert _error(start_dilax("train", "--output", tmp_path / "run", *SMALL, "--distributed")) == (
        "dilax: train: distributed=True leads to no other processes (coordinator_address should be defined); "
        "pass where they meet as --coordinator host:port, with --num-processes and --process-id."
    )
    assert list(tmp_path.iterdir()) == []
