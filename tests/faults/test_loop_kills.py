"""Anyone's loop on Checkpoints, killed: it goes on from the newest step that counts and ends as if undisturbed."""

import random
import time
from pathlib import Path

import pytest

from dilax.train import all_steps

from .running import finish, kill_at, lines, start

STEPS = 16
LOOP = "child_loop.py"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The last digest of a run that nobody disturbs, which leaves its checkpoints open at the end."""
    directory = tmp_path_factory.mktemp("whole")
    said, _ = finish(start(LOOP, directory, STEPS, "open:0"))
    assert said[-1] == "closed"
    assert [step.step for step in all_steps(directory) if step.counts][-2:] == [STEPS - 2, STEPS]
    return said[-2]


def _ends(run: Path, undisturbed: str) -> list[str]:
    said, _ = finish(start(LOOP, run, STEPS))
    assert said[-2] == undisturbed
    steps = all_steps(run)
    assert steps[-1].step == STEPS
    assert all(step.counts for step in steps)
    return said


@pytest.mark.slow
def test_two_interruptions_in_a_row(tmp_path: Path, undisturbed: str) -> None:
    kill_at(start(LOOP, tmp_path, STEPS), "step 7")
    kill_at(start(LOOP, tmp_path, STEPS), "step 12")
    begin = next(line for line in _ends(tmp_path, undisturbed) if line.startswith("at "))
    assert begin in ("at 8", "at 10", "at 12")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_twenty_random_moments(tmp_path: Path, undisturbed: str) -> None:
    chance, begins = random.Random(3), []
    for attempt in range(20):
        child = start(LOOP, tmp_path, STEPS)
        if attempt % 2:
            time.sleep(chance.uniform(0, 5))  # while it starts, restores or trains
        else:
            for line in lines(child):
                begins += [int(line.split()[1])] if line.startswith("at ") else []
                if line.startswith("step ") and chance.random() < 0.3:
                    time.sleep(chance.uniform(0, 0.3))  # while it trains or saves
                    break
        child.kill()
        child.communicate(timeout=60)
    assert begins == sorted(begins)  # what counted once is never lost
    assert begins[-1] > 0
    _ends(tmp_path, undisturbed)


@pytest.mark.slow
def test_killed_between_the_arrays_and_their_name(tmp_path: Path, undisturbed: str) -> None:
    kill_at(start(LOOP, tmp_path, STEPS, "rename:6"), "stalled")
    assert any(path.name.startswith("6.orbax-checkpoint-tmp") for path in tmp_path.iterdir())
    said = _ends(tmp_path, undisturbed)
    assert said[:2] == ["skipped nothing", "at 4"]
    assert not any("orbax" in path.name for path in tmp_path.iterdir())


@pytest.mark.slow
def test_killed_between_the_name_and_the_manifest(tmp_path: Path, undisturbed: str) -> None:
    kill_at(start(LOOP, tmp_path, STEPS, "manifest:6"), "stalled")
    said = _ends(tmp_path, undisturbed)
    assert said[:2] == ["skipped 6 has no manifest.json, so it was never completely saved", "at 4"]
    assert (tmp_path / "6.damaged-1" / "state").is_dir()


@pytest.mark.slow
def test_killed_before_anything_counts(tmp_path: Path, undisturbed: str) -> None:
    kill_at(start(LOOP, tmp_path, STEPS, "manifest:1"), "stalled")
    assert _ends(tmp_path, undisturbed)[0] == "at 0"
    assert (tmp_path / "1.damaged-1").is_dir()


@pytest.mark.slow
def test_killed_while_an_old_step_is_deleted(tmp_path: Path, undisturbed: str) -> None:
    kill_at(start(LOOP, tmp_path, STEPS, "deletion:4"), "stalled")
    assert (tmp_path / "4.deleting").is_dir()
    said = _ends(tmp_path, undisturbed)
    assert said[:2] == ["skipped nothing", "at 8"]
    assert not (tmp_path / "4.deleting").exists()


@pytest.mark.slow
def test_two_runs_in_one_directory(tmp_path: Path, undisturbed: str) -> None:
    first = start(LOOP, tmp_path, STEPS, "manifest:6")
    assert "stalled" in iter(lines(first))
    _, err = finish(start(LOOP, tmp_path, STEPS), status=1)
    assert err[-1] == (
        f"dilax.errors.FileError: Checkpoints: {str(tmp_path)!r} is being written by another run; "
        "wait for it to end, or pass another directory."
    )
    first.kill()
    first.communicate()
    _ends(tmp_path, undisturbed)


@pytest.mark.parametrize("open_at_the_end", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_last_save_fails(tmp_path: Path, open_at_the_end: bool) -> None:
    faults = [f"fail:{STEPS}", *(["open:0"] if open_at_the_end else [])]
    said, err = finish(start(LOOP, tmp_path, STEPS, *faults), status=1)
    assert ("closed" in said) is open_at_the_end
    assert err[-1] == (
        f"dilax.errors.FileError: Checkpoints: {str(tmp_path)!r} could not be written "
        f"(step {STEPS}: [Errno 28] No space left on device); free some space or pass another directory."
    )
    steps = all_steps(tmp_path)
    assert steps[-1].step == STEPS - 2
    assert all(step.counts for step in steps)
