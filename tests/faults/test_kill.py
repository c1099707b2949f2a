"""dilax's own loop in real processes, killed and stopped: a run that goes on must end where it would have ended."""

import hashlib
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from dilax.train import read_checkpoint, read_meta

from .running import PATIENCE, finish, kill_at, lines, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CHILD = "child.py"
MESHNET = {"model": "meshnet", "model_options": {"channels": 4, "batch_norm": True, "dropout": 0.2}}
#: So many epochs that twenty kills find something to do on a fast machine too.
LONG = {"epochs": 80, "checkpoints": {"every_steps": 2}}


def _run(directory: Path, how: str, *faults: str, status: int = 0, config: Any = None) -> list[str]:
    return finish(_begin(directory, how, *faults, config=config), status=status)[0]


def _begin(directory: Path, how: str, *faults: str, config: Any = None, group: int | None = None) -> Any:
    return start(CHILD, directory, how, *faults, group=group, CHILD_CONFIG=json.dumps(config or {}))


def _hash(directory: Path, *, step: int = 20) -> dict[str, str]:
    """Of everything that the newest checkpoint holds: arrays, position in the data, metrics, progress."""
    restored = read_checkpoint(directory)
    assert restored.step == step
    meta = {name: restored.meta[name] for name in ("data_position", "best", "progress", "epoch")}
    held = {**{name: array.tobytes() for name, array in restored.state.items()}}
    held |= {"about": repr((dict(restored.metrics), meta)).encode()}
    return {name: hashlib.sha256(content).hexdigest() for name, content in held.items()}


def _is_cut_short(run: Path) -> bool:
    """Whether the kill came while a step was saved or deleted."""
    steps = [path for path in run.iterdir() if path.is_dir() and ".damaged-" not in path.name]
    return any(not path.name.isdigit() or not (path / "manifest.json").exists() for path in steps)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("whole") / "run"
    _run(directory, "start")
    return _hash(directory)


def test_two_processes_that_nobody_disturbs_agree_bit_for_bit(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    _run(tmp_path / "run", "start")
    assert _hash(tmp_path / "run") == uninterrupted
    assert any(name.startswith("optimizer.0.nu.") for name in uninterrupted)
    assert any(name.endswith("rngs.count") for name in uninterrupted)


def test_killed_twice_in_a_row(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    run = tmp_path / "run"
    kill_at(_begin(run, "start"), "step 7")
    said = kill_at(_begin(run, "resume"), "step 14")
    assert said[0] in ("started at 5 skipped nothing", "started at 0 skipped nothing") or (
        said[0].startswith("started at 0 skipped 5 has no manifest.json")
    )
    _run(run, "resume")
    assert _hash(run) == uninterrupted


@pytest.mark.parametrize("batch", [1, 3, 4, 5])
def test_stopped_after_a_batch_and_then_killed(tmp_path: Path, uninterrupted: dict[str, str], batch: int) -> None:
    run, step = tmp_path / "run", 5 + batch
    said = _run(run, "start", f"batch:{step}", status=143)
    assert said[-1] == f"ended at {step}"
    assert (read_meta(run).step, read_meta(run).progress["step_in_epoch"]) == (step, batch)
    assert kill_at(_begin(run, "resume"), f"step {step + 1}")[0] == f"started at {step} skipped nothing"
    said = _run(run, "resume")
    assert said[0].endswith("skipped nothing")
    assert _hash(run) == uninterrupted


def test_killed_where_an_epoch_ends(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    run = tmp_path / "run"
    kill_at(_begin(run, "start", "manifest:15"), "stalled")
    said = _run(run, "resume")
    assert said[:2] == [
        "started at 10 skipped 15 has no manifest.json, so it was never completely saved", "step 11",
    ]  # fmt: skip
    assert (run / "15.damaged-1" / "state").is_dir()
    assert _hash(run) == uninterrupted


def test_killed_between_the_arrays_and_their_name(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    run = tmp_path / "run"
    kill_at(_begin(run, "start", "rename:10"), "stalled")
    assert any(path.name.startswith("10.orbax-checkpoint-tmp") for path in run.iterdir())
    assert _run(run, "resume")[0] == "started at 5 skipped nothing"
    assert not any("orbax" in path.name for path in run.iterdir())
    assert _hash(run) == uninterrupted


def test_killed_while_an_old_step_is_deleted(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    run = tmp_path / "run"
    kill_at(_begin(run, "start", "deletion:0"), "stalled")
    assert (run / "0.deleting").is_dir()
    _run(run, "resume")
    assert not (run / "0.deleting").exists()
    assert _hash(run) == uninterrupted


def test_sigterm_from_outside(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    run = tmp_path / "run"
    child = _begin(run, "start")
    said = kill_at(child, "step 8", send=signal.SIGTERM)
    assert child.returncode == 143
    step = int(said[-1].removeprefix("ended at "))
    assert step >= 8
    assert read_checkpoint(run).step == step
    assert _run(run, "resume")[0] == f"started at {step} skipped nothing"
    assert _hash(run) == uninterrupted


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_reaches_the_processes_that_prepare_batches_too(
    tmp_path: Path, uninterrupted: dict[str, str], which: signal.Signals
) -> None:
    run, config = tmp_path / "run", {"data": {"workers": 2}}
    child = _begin(run, "start", "data:0", config=config, group=0)
    assert "step 7" in iter(lines(child))
    os.killpg(child.pid, which)
    said, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 128 + which, err
    step = int(said.splitlines()[-1].removeprefix("ended at "))
    assert 8 <= step < 20
    assert _run(run, "resume", config=config)[0] == f"started at {step} skipped nothing"
    assert _hash(run) == uninterrupted


def test_sigterm_while_xla_compiles(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    run = tmp_path / "run"
    said = _run(run, "start", "compilation:10", status=143)
    assert said.index("sent") < said.index("compiled")
    assert said[-1] == "ended at 1"
    assert _run(run, "resume")[0] == "started at 1 skipped nothing"
    assert _hash(run) == uninterrupted


def test_sigterm_while_a_checkpoint_is_written(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    run = tmp_path / "run"
    said = _run(run, "start", "saving:10", status=143)
    step = int(said[-1].removeprefix("ended at "))
    assert step >= 10
    assert _run(run, "resume")[0] == f"started at {step} skipped nothing"
    assert _hash(run) == uninterrupted


@pytest.mark.parametrize("place", [None, 1, 2, 3])
def test_sigterm_in_an_evaluation_and_killed_where_its_metrics_are_added(
    tmp_path: Path, uninterrupted: dict[str, str], place: int | None
) -> None:
    run = tmp_path / "run"
    assert _run(run, "start", "evaluation:2", status=143)[-1] == "ended at 10"
    interrupted = read_meta(run)
    assert (interrupted.step, interrupted.epoch, interrupted.metrics) == (10, 1, {})
    if place is not None:
        kill_at(_begin(run, "resume", f"replacement:{place}"), "stalled")
        assert (read_meta(run).step, bool(read_meta(run).metrics)) == (10, place == 3)
    kill_at(_begin(run, "resume"), "step 12")
    evaluated = read_meta(run)
    assert (evaluated.step, evaluated.epoch) == (10, 2)
    assert evaluated.best == max(evaluated.metrics["mean_dice"], interrupted.best or 0)
    assert _run(run, "resume")[0] == "started at 10 skipped nothing"
    assert _hash(run) == uninterrupted


@pytest.mark.timeout(2400)
def test_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    chance, begins, killed, cut = random.Random(0), [], 0, 0
    kill_at(_begin(run, "start", config=LONG), "saved 0")
    while killed < 20 or cut < 3:
        child = _begin(run, "resume", config=LONG)
        begins.append(int(next(lines(child)).split()[2]))
        for _ in range(chance.randint(0, 8)):
            next(lines(child), None)
        time.sleep(chance.uniform(0, 0.3))
        assert child.poll() is None  # it was in the middle of something
        child.kill()
        child.communicate()
        killed, cut = killed + 1, cut + _is_cut_short(run)
    assert begins == sorted(begins)  # what counted once is never lost
    assert len(set(begins)) > 5
    _run(run, "resume", config=LONG)
    _run(whole, "start", config=LONG | {"checkpoints": {}})
    assert _hash(run, step=400) == _hash(whole, step=400)


def test_a_killed_meshnet(tmp_path: Path) -> None:
    _run(tmp_path / "whole", "start", config=MESHNET)
    kill_at(_begin(tmp_path / "run", "start", config=MESHNET), "step 13")
    assert _run(tmp_path / "run", "resume", config=MESHNET)[0].startswith("started at ")
    assert _hash(tmp_path / "run") == _hash(tmp_path / "whole")


def test_the_last_save_fails(tmp_path: Path) -> None:
    run = tmp_path / "run"
    _, err = finish(_begin(run, "start", "fail:20"), status=1)
    message = (
        f"Checkpoints: {str(run)!r} could not be written (step 20: [Errno 28] No space left on device); "
        "free some space or pass another directory."
    )
    assert err[-1] == f"dilax.errors.FileError: {message}"
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["reason"]) == ("run_ended", message)
    assert read_checkpoint(run).step == 15


def test_two_runs_in_one_directory(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    run = tmp_path / "run"
    first = _begin(run, "start", "manifest:10")
    assert "stalled" in iter(lines(first))
    _, err = finish(_begin(run, "resume"), status=1)
    assert err[-1] == (
        f"dilax.errors.FileError: Checkpoints: {str(run)!r} is being written by another run; "
        "wait for it to end, or pass another directory."
    )
    first.kill()
    first.communicate()
    _run(run, "resume")
    assert _hash(run) == uninterrupted


def test_the_best_outlives_twenty_worse_epochs_nan_and_a_restart(tmp_path: Path) -> None:
    run, config = tmp_path / "run", {"epochs": 24, "steps_per_epoch": 1}
    kill_at(_begin(run, "start", "scores:2", config=config), "step 13")
    assert _run(run, "resume", "scores:2", config=config)[-1] == "ended at 24"
    assert sorted(int(path.name) for path in run.iterdir() if path.name.isdigit()) == [2, 23, 24]
    assert (read_meta(run).best, read_meta(run / "2").metrics["mean_dice"]) == (0.75, 0.75)
