"""Disks that are full and disks that cannot be written: real ones, mounted for the test."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dilax.train import all_steps

from .running import finish, start, start_dilax

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SMALL = [
    "--data", "shapes", "--patch-size", "9", "--batch-size", "2", "--steps-per-epoch", "1", "--options", "channels=3",
]  # fmt: skip


def _mount(*arguments: object) -> None:
    if sys.platform != "linux":
        pytest.skip("mounting is done as Linux does it")
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this process may not mount: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB, which three steps of the loop fill."""
    place = tmp_path / "disk"
    place.mkdir()
    _mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", place)
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_loses_nothing(disk: Path) -> None:
    run = disk / "run"
    (disk / "other").write_bytes(bytes(400_000))
    said, err = finish(start("child_loop.py", run, 16), status=1)
    assert "ends" not in {line.split()[0] for line in said}
    message = err[-1]
    assert message.startswith(f"dilax.errors.FileError: Checkpoints: {str(run)!r} could not be written (step ")
    assert message.endswith("; free some space or pass another directory.")
    steps = all_steps(run)
    assert len(steps) >= 2
    assert all(step.counts for step in steps)
    (disk / "other").unlink()
    _mount("-o", "remount,size=20m", disk)
    said, _ = finish(start("child_loop.py", run, 16))
    assert said[:2] == ["skipped nothing", f"at {steps[-1].step}"]
    assert said[-1] == "closed"


@pytest.mark.parametrize("left", [0, 3000])
def test_a_disk_that_is_full_when_the_command_trains(disk: Path, left: int) -> None:
    run = disk / "run"
    finish(start_dilax("train", "--output", run, *SMALL, "--epochs", 1, "--keep", 99))
    free = shutil.disk_usage(disk).free // 4096 * 4096 - (4096 if left else 0)
    (disk / "other").write_bytes(bytes(free))
    with open(run / "log.jsonl", "ab") as log:  # up to the end of its last block, but for what is left
        log.write(b" " * (-log.tell() % 4096 - left - 1) + b"\n")
    _, err = finish(start_dilax("train", "--resume", run, "--epochs", 9), status=2)
    message = next(line for line in err if line.startswith("dilax: "))
    assert message.startswith(("dilax: train: ", "dilax: Checkpoints: "))
    assert "No space left on device" in message
    assert "Traceback" not in "".join(err)
    (disk / "other").unlink()
    steps = all_steps(run)
    assert steps
    assert all(step.counts for step in steps)
    said, _ = finish(start_dilax("train", "--resume", run, "--epochs", 9))
    assert said[0].endswith(f", goes on at step {steps[-1].step}")
    assert said[-1] == "finished at step 9, epoch 9"


def test_a_disk_that_is_read_only_is_noticed_before_the_first_step(disk: Path) -> None:
    run = disk / "run"
    run.mkdir()
    _mount("-o", "remount,ro", disk)
    said, err = finish(start("child_loop.py", run, 4), status=1)
    assert said == []
    assert err[-1] == (
        f"dilax.errors.FileError: Checkpoints: {str(run)!r} cannot be written (Read-only file system); "
        "pass a directory that you may write to."
    )
    said, err = finish(start("child_loop.py", disk / "new", 4), status=1)
    assert said == []
    assert err[-1] == (
        f"dilax.errors.FileError: Checkpoints: {str(disk / 'new')!r} cannot be made (Read-only file system); "
        "pass a directory that you may write to."
    )
    for how in (["--output", disk / "new", *SMALL], ["--resume", disk / "trained"]):
        if how[0] == "--resume":
            _mount("-o", "remount,rw", disk)
            finish(start_dilax("train", "--output", disk / "trained", *SMALL, "--epochs", 1))
            _mount("-o", "remount,ro", disk)
        said, err = finish(start_dilax("train", *how, "--epochs", 2), status=2)
        what = "made" if how[0] == "--output" else "written"
        assert [line for line in err if line] == [
            f"dilax: Checkpoints: {str(how[1])!r} cannot be {what} (Read-only file system); "
            "pass a directory that you may write to."
        ]
        assert said == []
