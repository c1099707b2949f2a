"""What may befall files and directories: no damage is restored, and the step before is used and the damage named."""

import hashlib
import json
import math
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dilax.errors import CorruptCheckpoint
from dilax.train import Checkpoints, all_steps, manifest, read_checkpoint

from .child_restores import digest, state_of
from .running import PATIENCE, start

State = dict[str, Any]


TARGET: State = {"w": np.zeros((7, 11)), "list": [np.zeros(5, np.int64), 0], "name": ""}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved") / "run"
    with Checkpoints(directory, keep=9) as checkpoints:
        for step in (3, 7):
            checkpoints.save(step, state_of(step), metrics={"dice": step / 10})
    return directory


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "run")


def _resumes_at_3(run: Path, reason: str) -> None:
    """The newest step that counts is 3, whole; 7 is skipped for this reason; and one can go on."""
    restored = read_checkpoint(run, TARGET)
    _is(restored.state, 3)
    steps = {step.step: step for step in all_steps(run)}
    assert steps[3].counts
    assert steps[7].reason is not None
    assert reason in steps[7].reason
    with pytest.raises(CorruptCheckpoint):
        read_checkpoint(run / "7", TARGET)


def _is(state: State, step: int) -> None:
    expected = state_of(step)
    np.testing.assert_array_equal(state["w"], expected["w"])
    np.testing.assert_array_equal(state["list"][0], expected["list"][0])
    assert (state["list"][1], state["name"]) == (step, f"step {step}")


def _files(step: Path) -> list[str]:
    return sorted(str(path.relative_to(step)) for path in step.rglob("*") if path.is_file())


def _damage(path: Path, damage: str) -> None:
    content = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes({"truncated": content[:-1], "emptied": b"", "longer": content + b" x"}[damage])


def _flip(path: Path, rng: np.random.Generator) -> None:
    changed = bytearray(path.read_bytes())
    changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(changed)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "deleted", "longer"])
def test_each_file_in_turn(run: Path, damage: str) -> None:
    names = _files(run / "7")
    assert {"about.json", "manifest.json", "state/manifest.ocdbt"} < set(names)
    for name in names:
        path = run / "7" / name
        content = path.read_bytes()
        _damage(path, damage)
        _resumes_at_3(run, name)
        path.write_bytes(content)
    _is(read_checkpoint(run, TARGET).state, 7)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 50))])
def test_one_flipped_bit_in_each_file(run: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name in _files(run / "7"):
        path = run / "7" / name
        content = path.read_bytes()
        _flip(path, rng)
        _resumes_at_3(run, "")
        path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_another_process_restores_no_damage(saved: Path, tmp_path: Path) -> None:
    names, runs = _files(saved / "7"), []
    for name in names:
        for damage in ("truncated", "emptied", "deleted", *range(50)):
            runs.append(shutil.copytree(saved, tmp_path / str(len(runs))))
            if isinstance(damage, str):
                _damage(runs[-1] / "7" / name, damage)
            else:
                _flip(runs[-1] / "7" / name, np.random.default_rng([damage, len(runs)]))
    with start("child_restores.py", stdin=subprocess.PIPE) as child:
        said, err = child.communicate("".join(f"{run}\n" for run in runs), timeout=PATIENCE)
    assert child.returncode == 0, err
    found = [json.loads(line) for line in said.splitlines()]
    assert len(found) == 53 * len(names)
    assert [entry[:2] for entry in found] == [[3, digest(state_of(3))]] * len(found)
    assert all(len(skipped) == 1 and skipped[0].startswith("7 ") for _, _, skipped in found)


@pytest.mark.slow
def test_every_bit_of_a_manifest(run: Path) -> None:
    path = run / "7" / "manifest.json"
    content = path.read_bytes()
    for place in range(8 * len(content)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        assert manifest.problem(run / "7", step=7) is not None, bytes(changed)
    path.write_bytes(content)
    assert manifest.problem(run / "7", step=7) is None


def test_a_step_that_was_found_to_count_is_hashed_again_only_if_changed(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "_SETTLED", 0)
    hashed: list[str] = []
    real = hashlib.file_digest
    monkeypatch.setattr("hashlib.file_digest", lambda file, kind: (hashed.append(file.name), real(file, kind))[1])
    with Checkpoints(run) as checkpoints:
        assert checkpoints.about_latest().step == 7
        _is(checkpoints.restore_latest(TARGET).state, 7)
        assert checkpoints.last == 7
    assert sorted(hashed) == [str(run / "7" / name) for name in _files(run / "7") if name != "manifest.json"]
    time.sleep(0.02)  # a tick of the file system's clock
    path = run / "7" / "about.json"
    path.write_bytes(path.read_bytes().replace(b"step 7", b"step 8"))
    _resumes_at_3(run, "has other bytes in 'about.json' than were written")


def test_bare_and_partly_copied_directories_and_leftovers(run: Path) -> None:
    (run / "9").mkdir()
    shutil.copytree(run / "7", run / "10")
    (run / "11").mkdir()
    shutil.copytree(run / "7" / "state", run / "11" / "state")
    shutil.copy(run / "7" / "manifest.json", run / "11" / "manifest.json")
    (run / "12.orbax-checkpoint-tmp").mkdir()
    (run / "12.orbax-checkpoint-tmp-3").mkdir()
    (run / "2.deleting").mkdir()
    (run / "13").write_text("no directory")
    with Checkpoints(run) as checkpoints:
        restored = checkpoints.restore_latest(TARGET)
        _is(restored.state, 7)
        assert [str(skipped) for skipped in restored.skipped] == [
            "13 is not a directory",
            "11 was saved as step 7",
            "10 was saved as step 7",
            "9 has no manifest.json, so it was never completely saved",
        ]
        checkpoints.save(9, state_of(9))
        checkpoints.wait()
        _is(checkpoints.restore(9, TARGET).state, 9)
    names = {path.name for path in run.iterdir()}
    assert names == {"3", "7", "9", "9.damaged-1", "10", "11", "13", "lock"}


def test_a_file_that_a_manifest_of_this_step_lists_and_nobody_copied(run: Path) -> None:
    shutil.rmtree(run / "7" / "state" / "d")
    _resumes_at_3(run, "lacks 'state/d/")


def test_links_out_of_the_directory_are_not_followed(run: Path, tmp_path: Path) -> None:
    for name in ("about.json", "state/_METADATA", "manifest.json"):
        path = run / "7" / name
        os.replace(path, tmp_path / "outside")
        path.symlink_to(tmp_path / "outside")
        _resumes_at_3(run, f"holds the symbolic link {name!r}")
        path.unlink()
        os.replace(tmp_path / "outside", path)
    for name in ("state", "state/d"):
        path = run / "7" / name
        os.replace(path, tmp_path / "outside")
        path.symlink_to(tmp_path / "outside", target_is_directory=True)
        _resumes_at_3(run, f"holds {name!r}, which its manifest.json does not list")
        path.unlink()
        os.replace(tmp_path / "outside", path)
    os.replace(run / "7", tmp_path / "outside")
    (run / "7").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert [step.reason for step in all_steps(run)] == [None, "is a symbolic link"]
    _is(read_checkpoint(run, TARGET).state, 3)


def test_the_best_outlives_twenty_worse_epochs_and_a_restart(tmp_path: Path) -> None:
    options: dict[str, Any] = {"keep": 2, "keep_best": 1, "metric": "dice"}
    values = [0.5, 0.9, *(0.8 - epoch / 100 for epoch in range(20))]
    values[5], values[11], values[14] = math.nan, math.inf, -math.inf
    for part in (range(12), range(12, 22)):
        with Checkpoints(tmp_path, **options) as checkpoints:
            for epoch in part:
                metrics = {} if epoch == 7 else {"dice": values[epoch]}
                checkpoints.save(epoch, state_of(epoch), metrics=metrics)
    assert [step.step for step in all_steps(tmp_path)] == [1, 20, 21]
    with Checkpoints(tmp_path, **options) as checkpoints:
        restored = checkpoints.restore_best(TARGET)
        _is(restored.state, 1)
        assert restored.metrics == {"dice": 0.9}
        (tmp_path / "1" / "about.json").unlink()
        restored = checkpoints.restore_best(TARGET)
        _is(restored.state, 20)
