"""Real processes, really killed: a run that goes on must end where it would have ended."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dilax.train import read_checkpoint

CHILD = Path(__file__).with_name("child.py")
ROOT = CHILD.parents[2]


def _start(directory: Path, how: str, *stall: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(directory), how, *stall],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def _run(directory: Path, how: str) -> list[str]:
    out, err = (child := _start(directory, how)).communicate(timeout=120)
    assert child.returncode == 0, err
    return out.splitlines()


def _kill_at(child: subprocess.Popen[str], line: str, *, send: int = signal.SIGKILL) -> list[str]:
    """Send the signal once the child has said the line; return all that it said."""
    said = []
    for text in _lines(child):
        said.append(text)
        if text == line:
            child.send_signal(send)
            break
    out, err = child.communicate(timeout=60)
    assert line in said, err
    return said + out.splitlines()


def _lines(child: subprocess.Popen[str]) -> Iterator[str]:
    assert child.stdout is not None
    for text in child.stdout:
        yield text.rstrip("\n")


def _state(directory: Path) -> dict[str, bytes]:
    restored = read_checkpoint(directory)
    assert restored.step == 20
    meta = restored.meta
    return {
        **{name: array.tobytes() for name, array in restored.state.items()},
        "position": repr(meta["data_position"]).encode(),
        "metrics": repr((restored.metrics, meta["best"], meta["progress"])).encode(),
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("whole") / "run"
    _run(directory, "start")
    return _state(directory)


@pytest.mark.slow
def test_two_processes_that_nobody_disturbs_agree_bit_for_bit(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    _run(tmp_path / "run", "start")
    assert _state(tmp_path / "run") == uninterrupted
    assert any(name.startswith("optimizer.0.nu.") for name in uninterrupted)
    assert any(name.endswith("rngs.count") for name in uninterrupted)


@pytest.mark.slow
def test_killed_twice_in_the_middle_of_an_epoch(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    run = tmp_path / "run"
    _kill_at(_start(run, "start"), "step 7")
    said = _kill_at(_start(run, "resume"), "step 14")
    assert said[0] in ("started at 5 skipped nothing", "started at 0 skipped nothing") or (
        said[0].startswith("started at 0 skipped 5 has no manifest.json")
    )
    _run(run, "resume")
    assert _state(run) == uninterrupted


@pytest.mark.slow
def test_killed_between_the_arrays_and_the_manifest(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    run = tmp_path / "run"
    _kill_at(_start(run, "start", "manifest:10"), "stalled")
    assert (run / "10" / "state").is_dir()
    said = _run(run, "resume")
    assert said[0] == ("started at 5 skipped 10 has no manifest.json, so it was never completely saved")
    assert _state(run) == uninterrupted
    assert (run / "10.damaged-1" / "state").is_dir()


@pytest.mark.slow
def test_killed_while_an_old_step_is_deleted(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    run = tmp_path / "run"
    _kill_at(_start(run, "start", "deletion:0"), "stalled")
    assert (run / "0.deleting").is_dir()
    _run(run, "resume")
    assert not (run / "0.deleting").exists()
    assert _state(run) == uninterrupted


@pytest.mark.slow
def test_sigterm_saves_in_the_middle_of_an_epoch(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    run = tmp_path / "run"
    said = _kill_at(_start(run, "start"), "step 8", send=signal.SIGTERM)
    step = int(said[-1].split()[-1])
    assert said[-1].startswith("ended at")
    assert step >= 8
    assert read_checkpoint(run).step == step
    assert _run(run, "resume")[0] == f"started at {step} skipped nothing"
    assert _state(run) == uninterrupted


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    run, chance = tmp_path / "run", random.Random(0)
    _kill_at(_start(run, "start"), "saved 0")
    for _ in range(20):
        child = _start(run, "resume")
        assert next(_lines(child)).startswith("started at")
        time.sleep(chance.uniform(0, 2.5))
        child.kill()
        child.communicate(timeout=60)
    _run(run, "resume")
    assert _state(run) == uninterrupted


@pytest.mark.slow
def test_a_killed_meshnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHILD_MODEL", "meshnet")
    _run(tmp_path / "whole", "start")
    _kill_at(_start(tmp_path / "run", "start"), "step 13")
    assert _run(tmp_path / "run", "resume")[0].startswith("started at ")
    assert _state(tmp_path / "run") == _state(tmp_path / "whole")
