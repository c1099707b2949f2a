"""``dilax checkpoints`` on a small run: the list, the verification, the pruning."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from dilax.cli import main
from dilax.train import Checkpoints

DICE = {1: 0.5, 4: 0.875, 6: float("nan"), 9: 0.25, 12: 0.625}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved") / "run"
    with Checkpoints(directory, keep=9) as checkpoints:
        for step, dice in DICE.items():
            metrics = {"mean_dice": dice, "loss": step / 8}
            checkpoints.save(step, {"w": np.arange(step, dtype=np.float32)}, metrics=metrics)
    return directory


@pytest.fixture
def run(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "run")


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def _json(capsys, *arguments):
    status = main(["checkpoints", *map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_the_list_has_metrics_and_sizes(run, capsys):
    assert main(["checkpoints", str(run)]) == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if "0.875" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][:3] == ["4", "0.5", "0.875"]
    assert row.rstrip(" │").endswith("counts")
    status, found = _json(capsys, run)
    assert (status, found["verified"], found["leftovers"], found["removed"]) == (0, False, [], [])
    assert [step["step"] for step in found["steps"]] == list(DICE)
    assert [step["metrics"]["mean_dice"] for step in found["steps"]] == [0.5, 0.875, None, 0.25, 0.625]
    for step in found["steps"]:
        files = [path for path in (run / str(step["step"])).rglob("*") if path.is_file()]
        assert step["size"] == sum(path.stat().st_size for path in files)


def test_damage_is_seen_where_files_are_read(run, capsys):
    _flip(run / "9" / "state" / "_METADATA")
    (run / "12" / "about.json").unlink()
    (run / "14").mkdir()
    (run / "3.deleting").mkdir()
    lacks = "lacks 'about.json'"
    bare = "has no manifest.json, so it was never completely saved"
    status, found = _json(capsys, run)
    assert status == 0
    assert [step["reason"] for step in found["steps"]] == [None, None, None, None, lacks, bare]
    assert found["leftovers"] == ["3.deleting"]
    status, found = _json(capsys, run, "--verify")
    assert status == 1
    flipped = "has other bytes in 'state/_METADATA' than were written"
    assert [step["reason"] for step in found["steps"]] == [None, None, None, flipped, lacks, bare]
    assert main(["checkpoints", str(run), "--verify"]) == 1
    said = capsys.readouterr().out
    assert f"left over: {run / '3.deleting'}" in said


def test_pruning_keeps_the_newest_the_best_and_what_does_not_count(run, capsys):
    _flip(run / "12" / "about.json")
    arguments = [run, "--prune", "--keep", 1, "--keep-best", 1]
    status, found = _json(capsys, *arguments, "--dry-run")
    assert (status, found["removed"], found["dry_run"]) == (0, [1, 6], True)
    assert sorted(path.name for path in run.iterdir()) == ["1", "12", "4", "6", "9", "lock"]
    assert main(["checkpoints", *map(str, arguments)]) == 0
    said = capsys.readouterr().out
    assert f"removed {run / '1'} (" in said
    assert f"removed {run / '6'} (" in said
    assert sorted(path.name for path in run.iterdir()) == ["12", "4", "9", "lock"]
    status, found = _json(capsys, run, "--prune", "--keep", 1, "--keep-best", 1, "--metric", "loss", "--mode", "min")
    assert found["removed"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "checkpoints: 'absent' does not exist; pass the directory of a run."),
        (["run/4"], "checkpoints: 'run/4' is one step; pass the directory of its run, 'run'."),
        (["empty"], "checkpoints: 'empty' holds no checkpoint; pass the directory of a run."),
        (["run", "--dry-run"], "checkpoints: dry_run=True changes nothing without --prune; pass both."),
        (["run", "--prune", "--keep", "0"], "Checkpoints: keep=0 is below 1; pass 1 or more."),
        (
            ["run", "--prune", "--metric", "dice"],
            "checkpoints: metric='dice' is a metric of no step; they have loss, mean_dice; "
            "pass one of these, or --keep-best 0.",
        ),
    ],
)
def test_what_cannot_be_done(run, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(run.parent)
    (run.parent / "empty").mkdir()
    assert main(["checkpoints", *arguments]) == 2
    assert capsys.readouterr().err.replace("\n", " ").strip() == f"dilax: {message}"


def test_a_running_run_is_not_pruned(run, capsys):
    with Checkpoints(run):
        assert main(["checkpoints", str(run), "--prune", "--keep", "1"]) == 2
    assert "is being written by another run" in capsys.readouterr().err
    assert (run / "1").is_dir()


def test_it_needs_no_jax(run):
    call = f"main(['checkpoints', {str(run)!r}, '--verify', '--prune'])"
    code = f"import sys; from dilax.cli import main; {call}; print(*{{'jax', 'orbax', 'flax'}} & set(sys.modules))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.splitlines()[-1] == ""
