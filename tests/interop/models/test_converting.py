"""``dilax convert`` of models in two dimensions, and the checkpoint that it writes."""

import pytest
import torch

import interop
from dilax.cli import main
from dilax.train import load_model

from .classic import assert_same_arrays, pair


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [("drn_seg", {"base": "drn_d_22", "channels": 2, "num_classes": 5}), ("csrnet", {"channels": 2})],
)
def test_convert_verifies_and_the_checkpoint_holds_all(name, options, tmp_path, capsys):
    twin, _ = pair(name, **options)
    parallel = torch.nn.DataParallel(twin)  # whose keys begin with "module."
    torch.save({"state_dict": parallel.state_dict(), "epoch": 3}, tmp_path / "model.pth")
    directory = tmp_path / "flax"
    assert main(["convert", str(tmp_path / "model.pth"), "--model", name, "--output", str(directory)]) == 0
    assert "verified: " in capsys.readouterr().out
    model = load_model(directory)[0]
    assert_same_arrays(model, twin)
    assert vars(model.config).items() >= options.items()
    assert main(["export", str(directory), "--output", str(tmp_path / "back.pth")]) == 0
    back = interop.read(tmp_path / "back.pth")
    assert back.keys() == twin.state_dict().keys()
