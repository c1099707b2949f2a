"""Runs that go on with other numbers of devices and processes than they were saved with."""

import subprocess
from pathlib import Path

import pytest

from dilax.train import all_steps

from .running import finish, free_port, kill_at, start

pytestmark = pytest.mark.slow
SCRIPT = "child_states.py"


def _start_two(directory: Path, *commands: str) -> "list[subprocess.Popen[str]]":
    port = free_port()
    return [start(SCRIPT, "--processes", port, 2, index, directory, *commands, devices=2) for index in (0, 1)]


def _last(child: "subprocess.Popen[str]") -> str:
    return finish(child)[0][-1]


def test_one_two_four_and_one_device(tmp_path: Path) -> None:
    for devices, commands in ((1, ["save:3"]), (2, ["restore:3", "save:5"]), (4, ["restore:5", "save:7"])):
        child = start(SCRIPT, tmp_path, *commands, devices=devices)
        assert _last(child) == f"process 0 of 1, {devices} devices, step {commands[-1].split(':')[1]}"
    assert _last(start(SCRIPT, tmp_path, "restore:7")) == "process 0 of 1, 1 devices, step 7"


def test_one_process_two_and_one(tmp_path: Path) -> None:
    assert _last(start(SCRIPT, tmp_path, "save:3")) == "process 0 of 1, 1 devices, step 3"
    children = _start_two(tmp_path, "restore:3", "save:5", "save:7", "restore:7")
    for index, child in enumerate(children):
        assert _last(child) == f"process {index} of 2, 4 devices, step 7"
    assert [(step.step, step.counts, step.metrics) for step in all_steps(tmp_path)] == [
        (step, True, {"loss": 1 / step}) for step in (3, 5, 7)
    ]
    assert _last(start(SCRIPT, tmp_path, "restore:7", "save:9")) == "process 0 of 1, 1 devices, step 9"


def test_what_the_first_process_finds_wrong_all_say(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    message = f"Checkpoints: {str(tmp_path / 'file')!r} cannot be made (File exists); "
    for child in _start_two(tmp_path / "file", "save:3"):
        _, err = finish(child, status=1)
        assert any(message in line for line in err)


@pytest.mark.parametrize("killed", [0, 1])
def test_one_of_two_processes_is_killed(tmp_path: Path, killed: int) -> None:
    children = _start_two(tmp_path, "go:40")
    kill_at(children[killed], "step 6")
    out, _ = children[1 - killed].communicate(timeout=60)  # its heartbeat is 10 s
    assert children[1 - killed].returncode != 0
    assert "step 40" not in out
    steps = [step.step for step in all_steps(tmp_path) if step.counts]
    assert steps[-1] >= 4
    said = _last(start(SCRIPT, tmp_path, f"restore:{steps[-1]}", "save:50"))
    assert said == "process 0 of 1, 1 devices, step 50"
