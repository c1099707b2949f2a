"""The whole demo, as a user runs it."""

import re
import subprocess
import sys

import pytest
import torch

from dilax.train import read_meta


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_ends_well(tmp_path):
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "dilax", "demo", "--output", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "PyTorch was not imported" in run.stdout
    table = re.findall(r"│ *(\S+) *│ \w+ +│ \S+ +│ +(\S+) │ +(\S+) │ equal │", run.stdout)
    assert len(table) == 30
    assert all(float(error) <= 1e-12 for _, error, _ in table)
    killed = re.search(r"killed with SIGKILL at step (\d+), after (\d+) steps of epoch 2", run.stdout)
    assert 0 < int(killed[2]) < 40
    assert "goes on at step 40" in run.stdout
    assert "torch.float64: PyTorch gives the same label for 1,100,385 of 1,100,385 voxels" in run.stdout
    assert read_meta(folder / "run").step == 160
    assert read_meta(folder / "run").metrics["mean_dice"] > 0.6
    assert torch.load(folder / "trained.pth", weights_only=True)["model.0.weight"].shape == (8, 1, 3, 3, 3)
    assert (folder / "prediction.png").stat().st_size > 50_000
