"""dilax's own loop on changing numbers of devices and processes, one of which fails, is stopped or is killed."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dilax.train import all_steps, read_meta

from .running import PATIENCE, finish, free_port, lines, start, start_dilax

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
CHILD = "../dilax/train/child.py"
#: Seconds after which a process of the child is taken for dead.
HEARTBEAT = 30
SMALL = [
    "--data", "shapes", "--patch-size", 9, "--batch-size", 4, "--steps-per-epoch", 2, "--options", "channels=8",
]  # fmt: skip


def _start(directory: Path, *, devices: int = 1, **options: Any) -> Any:
    return start(CHILD, directory, json.dumps(options), devices=devices, JAX_ENABLE_X64="1")


def _start_two(directory: Path, first: dict[str, Any], second: dict[str, Any]) -> list[Any]:
    address = f"localhost:{free_port()}"
    return [
        _start(directory, devices=2, processes=[address, 2, which], **options)
        for which, options in enumerate((first, second))
    ]


def _end(child: Any, status: int = 0) -> Any:
    return json.loads(finish(child, status=status)[0][-1])


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _end(_start(tmp_path_factory.mktemp("alone") / "run"))


def _same(found: Any, alone: Any) -> None:
    """The losses of the steps, the last metrics and the parameters are those of one device."""
    for step, loss in found["losses"].items():
        np.testing.assert_allclose(loss, alone["losses"][step], rtol=1e-10, err_msg=step)
    for name, value in alone["metrics"][-1].items():
        np.testing.assert_allclose(found["metrics"][-1][name], value, rtol=1e-12)
    np.testing.assert_allclose(found["kernel"], alone["kernel"], rtol=1e-8)


def test_one_two_four_and_one_device(tmp_path: Path, alone: Any) -> None:
    run, losses, samples = tmp_path / "run", {}, []
    for devices, sharding, stop in ((1, "data", 1), (2, "fsdp", 3), (4, "data", 4), (1, "data", None)):
        child = _start(run, devices=devices, sharding=sharding, stop=stop, resume=devices > 1 or stop is None)
        found = _end(child, 0 if stop is None else 143)
        assert found["devices"] == devices
        losses |= found["losses"]
        samples += found["samples"]
    assert samples == alone["samples"]
    assert list(losses) == list(alone["losses"])
    _same({**found, "losses": losses}, alone)


def test_two_processes_are_killed_and_one_goes_on(tmp_path: Path, alone: Any) -> None:
    run = tmp_path / "run"
    options = {"sharding": "fsdp", "kill": 5, "config": {"checkpoints": {"every_steps": 2}}}
    for child in _start_two(run, options, options):
        child.communicate(timeout=PATIENCE)
        assert child.returncode != 0
    step = read_meta(run).step
    assert step >= 3  # the first epoch was saved before the second began
    found = _end(_start(run, resume=True, config=options["config"]))
    assert list(found["losses"]) == [str(number) for number in range(step + 1, 7)]
    assert found["samples"] == alone["samples"][8 * step :]
    _same(found, alone)


def test_one_of_two_processes_is_killed(tmp_path: Path, alone: Any) -> None:
    run = tmp_path / "run"
    first, second = _start_two(run, {}, {"kill": 4})
    second.communicate(timeout=PATIENCE)
    began = time.monotonic()
    first.communicate(timeout=PATIENCE)
    assert first.returncode != 0
    assert time.monotonic() - began < HEARTBEAT + 60
    found = _end(_start(run, resume=True))
    assert set(found["losses"]) >= {"4", "5", "6"}
    _same(found, alone)


def test_both_hear_of_a_save_that_the_first_cannot_complete(tmp_path: Path, alone: Any) -> None:
    run = tmp_path / "run"
    children = _start_two(run, {"fail": 3}, {})
    for child in children:
        _, err = finish(child, status=1)
        assert any(
            f"FileError: Checkpoints: {str(run)!r} could not be written (step 3: [Errno 28] No space left on device); "
            "free some space or pass another directory." in line
            for line in err
        )
    assert [step.step for step in all_steps(run)] == [0]
    _same(_end(_start(run, resume=True)), alone)


def test_a_signal_to_one_of_two_processes_stops_both(tmp_path: Path, alone: Any) -> None:
    run = tmp_path / "run"
    first, second = (_end(child, 143) for child in _start_two(run, {}, {"stop": 2}))
    assert first["step"] == second["step"] == read_meta(run).step
    _same(_end(_start(run, resume=True)), alone)


def _command(*arguments: object, devices: int) -> list[Any]:
    place = ["--coordinator", f"localhost:{free_port()}", "--num-processes", 2]
    return [start_dilax("train", *arguments, *place, "--process-id", which, devices=devices) for which in (0, 1)]


@pytest.mark.parametrize("killed", [0, 1])
def test_the_command_says_that_another_process_was_killed(tmp_path: Path, killed: int) -> None:
    run = tmp_path / "run"
    children = _command("--output", run, *SMALL, "--steps-per-epoch", 9999, devices=1)
    assert any(line.startswith("saved ") for line in lines(children[0]))
    children[killed].kill()
    children[killed].communicate()
    began = time.monotonic()
    _, err = children[1 - killed].communicate(timeout=PATIENCE)
    assert time.monotonic() - began < 100  # the heartbeat that JAX has if not told otherwise
    # Of several devices of a process, those that Gloo does not tell wait until JAX ends it at the heartbeat.
    if killed == 0:  # JAX ends the others when the one is gone at which they meet
        assert children[1].returncode != 0
    else:
        assert children[0].returncode == 2
        assert "dilax: train: another process of the run ended or cannot be reached (" in err
        assert "see what it says, and resume the run." in err
    said, _ = finish(start_dilax("train", "--resume", run, "--steps-per-epoch", 2, "--epochs", 1))
    assert said[0].endswith(", goes on at step 0")
    assert said[-1] == "finished at step 2, epoch 1"


@pytest.mark.parametrize("sharding", ["data", "fsdp"])
def test_the_command_with_two_processes_and_then_with_one(tmp_path: Path, sharding: str) -> None:
    run = tmp_path / "run"
    children = _command("--output", run, *SMALL, "--epochs", 1, "--sharding", sharding, devices=2)
    said, silent = ([line for line in finish(child)[0] if "[Gloo]" not in line] for child in children)
    assert said[0].endswith(", starts on 4 devices")
    assert said[-1] == "finished at step 2, epoch 1"
    assert silent == []
    said, _ = finish(start_dilax("train", "--resume", run, "--epochs", 2))
    assert said[0].endswith(", goes on at step 2")
    assert said[-1] == "finished at step 4, epoch 2"
