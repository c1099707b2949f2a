"""``dilax convert`` of models in two dimensions, and the checkpoint that it writes."""

import pytest
import torch

import interop
from dilax.cli import main
from dilax.train import load_model
from interop import reference

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


NARROW = {"channels": 1, "num_classes": 2, "in_channels": 2}
BESIDE = {"mean": torch.ones(3), "loss.weight": torch.ones(2)}


def converted(directory, arrays, *arguments, name="csrnet"):
    torch.save(arrays, directory / "model.pth")
    target = directory / f"flax{len(list(directory.iterdir()))}"
    command = ["convert", str(directory / "model.pth"), "--model", name, "--no-verify", "--output", str(target)]
    assert main([*command, *arguments]) == 0
    return load_model(target)[0]


@pytest.mark.slow
def test_keys_beside_the_models_are_named_and_left_out_on_demand(tmp_path, capsys):
    twin = reference.create("csrnet", **NARROW)
    arrays = {f"model.{key}": value for key, value in twin.state_dict().items()} | BESIDE
    torch.save(arrays, tmp_path / "model.pth")
    assert main(["convert", str(tmp_path / "model.pth"), "--model", "csrnet"]) == 2
    assert capsys.readouterr().err.replace("\n", " ") == (
        "dilax: infer_options: the keys of a csrnet begin with 'model.', beside which the state_dict has mean, "
        "loss.weight; leave them out, as ignore of interop.load and --ignore of dilax convert do. "
    )
    model = converted(tmp_path, {"state_dict": arrays, "epoch": 3}, "--ignore", "mean", "loss.*")
    assert_same_arrays(model, twin)
    said = capsys.readouterr().out
    assert "without the prefix 'model.' of all keys\nignored: mean, loss.weight\nnot used: epoch\n" in said


def test_one_of_several_state_dicts_is_chosen(tmp_path, capsys):
    twin = reference.create("csrnet", **NARROW)
    mean = torch.optim.swa_utils.AveragedModel(reference.create("csrnet", **NARROW))
    both = {"run": {"model": twin.state_dict(), "ema": mean.state_dict()}}
    chosen = converted(tmp_path, both, "--state-dict", "run.ema", "--ignore", "n_averaged")
    assert_same_arrays(chosen, mean.module)
    assert_same_arrays(converted(tmp_path, both, "--state-dict", "run.model"), twin)
    capsys.readouterr()
    assert main(["convert", str(tmp_path / "model.pth"), "--model", "csrnet", "--state-dict", "run.emma"]) == 2
    assert capsys.readouterr().err.replace("\n", " ") == (
        "dilax: convert: state_dict='run.emma' is no mapping in the checkpoint: there is none under 'emma'; pass one "
        "of model, ema. "
    )


def test_layers_of_other_names_are_renamed(tmp_path, capsys):
    twin = reference.create("csrnet", **NARROW)
    arrays = {key.replace("backend.", "tail.body."): value for key, value in twin.state_dict().items()}
    assert_same_arrays(converted(tmp_path, arrays, "--rename", "tail.body=backend"), twin)
    assert "renamed: 12 keys" in capsys.readouterr().out
    assert main(["convert", str(tmp_path / "model.pth"), "--model", "csrnet", "--rename", "tail"]) == 2
    assert capsys.readouterr().err.replace("\n", " ") == (
        "dilax: options: rename='tail' names no old and new name; pass OLD=NEW, e.g. body=backbone. "
    )
