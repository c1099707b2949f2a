"""``dilax train`` from files and with checks beforehand, and ``dilax eval``."""

import json

import numpy as np
import pytest
import torch

from dilax.cli import main
from dilax.train import read_arrays, read_meta
from interop import reference

SMALL = ["--data", "shapes", "--patch-size", "9", "--batch-size", "2", "--steps-per-epoch", "2", "--epochs", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "run.toml").write_text(
        "epochs = 9\nsteps_per_epoch = 2\nmodel_options = {channels = 3}\n"
        '[data]\nsource = "shapes"\npatch_size = 9\nbatch_size = 2\n'
        '[optimizer]\nname = "sgd"\nlearning_rate = 0.2\n[loss]\nbalance = "median"\n'
    )
    arguments = ["train", "--output", folder / "run", "--config", folder / "run.toml", "--epochs", 1]
    assert main([str(argument) for argument in [*arguments, "--optimizer.learning-rate", 0.1]]) == 0
    return folder / "run"


def test_flags_come_before_the_file_and_the_file_before_the_defaults(run):
    config = read_meta(run).config
    assert (config["epochs"], config["steps_per_epoch"], config["model_options"]["channels"]) == (1, 2, 3)
    assert (config["optimizer"]["name"], config["optimizer"]["learning_rate"]) == ("sgd", 0.1)
    assert (config["optimizer"]["momentum"], config["loss"]["balance"]) == (0.9, "median")


def test_eval_finds_what_the_run_found(run, capsys):
    assert main(["eval", str(run), "--step", "best", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["step"], found["model"], found["data"]) == (2, "meshnet", "shapes")
    stored = read_meta(run).metrics
    assert found["metrics"] == {name: None if np.isnan(value) else value for name, value in stored.items()}
    assert main(["eval", str(run), "--step", "2"]) == 0
    said = capsys.readouterr().out
    assert "meshnet of step 2 on shapes" in said
    assert [line.split()[0] for line in said.splitlines()[-5:]] == ["background", "ball", "box", "mean", "accuracy"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("newest", "eval: step='newest' is neither a step nor best; pass e.g. 120 or best."),
        ("77", "eval: '{run}' has no step 77; pass one of 0, 2, or best."),
    ],
)
def test_eval_of_other_steps(run, capsys, step, message):
    assert main(["eval", str(run), "--step", step]) == 2
    assert capsys.readouterr().err == f"dilax: {message.format(run=run)}\n"


@pytest.mark.parametrize(("name", "rule"), [("absent", "does not exist"), ("run/log.jsonl", "is a file")])
def test_eval_of_a_step_of_what_is_no_run(run, capsys, name, rule):
    path = str(run.parent / name)
    assert main(["eval", path, "--step", "2"]) == 2
    fix = "pass the directory of a run or of one of its steps"
    assert capsys.readouterr().err.replace("\n", " ").strip() == f"dilax: eval: {path!r} {rule}; {fix}."


def test_eval_on_data_of_another_kind(run, capsys):
    assert main(["eval", str(run), "--data", "shapes_2d"]) == 2
    assert capsys.readouterr().err.replace("\n", " ").strip() == (
        "dilax: eval: in_channels=1 is not the 3 that the data has; pass data of the model's kind."
    )


def test_a_dry_run_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--dry-run", *SMALL, "--options", "channels=3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("model: meshnet, ")
    assert "steps: 2 (1 epochs of 2), learning rate 0.001 to 0.001\nimage: float32 (2, 9, 9, 9, 1)\n" in said
    assert list(tmp_path.iterdir()) == []


def _torch_run(path, **options):
    torch.manual_seed(0)
    module = reference.create("meshnet", channels=3, num_classes=3, activation="elu")
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.004, weight_decay=0.3, betas=(0.8, 0.99), **options)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 7)
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.rand(1, 1, 6, 7, 5)).square().mean().backward()
        optimizer.step()
        scheduler.step()
    saved = {"model": module, "optimizer": optimizer, "scheduler": scheduler}
    torch.save({name: part.state_dict() for name, part in saved.items()} | {"epoch": 3}, path)
    return module, optimizer


def test_a_run_of_pytorch_goes_on_with_its_optimizer(tmp_path, capsys):
    module, optimizer = _torch_run(tmp_path / "run.pth")
    start = ["--initial", tmp_path / "run.pth", "--options", "activation=elu", *SMALL]
    assert main(["train", "--output", str(tmp_path / "run"), *map(str, start)]) == 0
    said = capsys.readouterr().out
    assert "AdamW, 1 group of 20 parameters, 3 steps, learning rate 0.004" in said
    assert "not taken over: StepLR; the learning rate is that of --learning-rate and --schedule\n" in said
    config = read_meta(tmp_path / "run").config
    assert config["model_options"]["activation"] == "elu"
    expected = {"name": "adamw", "learning_rate": 0.004, "weight_decay": 0.3, "betas": [0.8, 0.99]}
    assert {name: config["optimizer"][name] for name in expected} == expected
    moments = read_arrays(tmp_path / "run" / "0", "optimizer")
    assert moments["0.count"] == 3
    theirs = optimizer.state[module.model[0].weight]
    for ours, name in (("mu", "exp_avg"), ("nu", "exp_avg_sq")):
        kernel = theirs[name].numpy().transpose(2, 3, 4, 1, 0)
        np.testing.assert_array_equal(moments[f"0.{ours}.model.0.kernel"], kernel)
    assert read_arrays(tmp_path / "run", "optimizer")["0.count"] == 5


def test_an_optimizer_that_dilax_lacks(tmp_path, capsys):
    _torch_run(tmp_path / "run.pth", amsgrad=True)
    assert main(["train", "--output", str(tmp_path / "run"), "--initial", str(tmp_path / "run.pth"), *SMALL]) == 2
    assert capsys.readouterr().err == (
        f"dilax: train: {str(tmp_path / 'run.pth')!r} has an optimizer that dilax train lacks (AdamW with "
        "amsgrad=True); go on with interop.resume_torch in a loop of your own, or convert the model alone with dilax "
        "convert.\n"
    )
    assert not (tmp_path / "run").exists()
