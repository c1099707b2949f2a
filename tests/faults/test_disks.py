"""Disks that are full and disks that cannot be written: real ones, mounted for the test."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dilax.train import all_steps

from .running import finish, start

pytestmark = pytest.mark.slow


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
