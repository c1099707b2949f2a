"""``dilax verify``, and the JSON of the commands around it."""

import json

import numpy as np
import pytest
import torch

from dilax.cli import main
from interop import reference

# A module of the user's own with factories for both sides, as the command imports it.
SOURCE = """
import torch, interop

def make():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).eval()

def flax():
    return interop.from_torch(make())

def flax_with_another_epsilon():
    model = flax()
    model[1].eps = 0.5
    return model

number = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with the module, as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "verified_nets.py").write_text(SOURCE)
    return tmp_path


FACTORIES = ["--torch", "verified_nets:make", "--flax", "verified_nets:flax"]


def test_two_factories_that_agree(here, capsys):
    assert main(["verify", *FACTORIES, "--shape", "5", "3", "--html", "report.html"]) == 0
    said = capsys.readouterr().out
    assert "equal: 3 outputs\n" in said
    assert "saved report.html\n" in said
    assert "BatchNorm1d" in (here / "report.html").read_text()


def test_a_difference_ends_with_status_one_and_json_stands_alone(here, capsys):
    np.save(here / "x.npy", np.random.default_rng(0).normal(size=(5, 3)))
    arguments = [*FACTORIES[:3], "verified_nets:flax_with_another_epsilon", "--inputs", "x.npy", "--json"]
    assert main(["verify", *arguments]) == 1
    said = capsys.readouterr()
    values = json.loads(said.out)
    assert (values["equal"], values["first_difference"], values["diagnosis"]["cause"]) == (False, "1", "epsilon")
    assert "different: first 1\n" in said.err


@pytest.mark.slow
def test_a_file_of_a_known_model(here, capsys):
    torch.manual_seed(3)
    torch.save({"model": reference.create("meshnet", channels=4).state_dict()}, "model.pth")
    assert main(["verify", "model.pth", "--model", "meshnet", "--all"]) == 0
    assert "equal: 21 outputs\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_file_for_two_factories(here, capsys):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    torch.save(module.state_dict(), "model.pth")
    assert main(["verify", "model.pth", *FACTORIES, "--shape", "5", "3", "--gradients"]) == 0
    torch.save(torch.nn.Sequential(torch.nn.Linear(3, 4)).state_dict(), "other.pth")
    assert main(["verify", "other.pth", *FACTORIES, "--shape", "5", "3"]) == 2


_WHICH = (
    "and the other arguments do not say which two models to compare; pass a FILE with --model, or both --torch and "
    "--flax, e.g. --torch my.net:make --flax my.flax_net:make."
)
WRONG = {
    "nothing": ([], f"verify: model=None {_WHICH}"),
    "a model without a file": (["--model", "meshnet"], f"verify: model='meshnet' {_WHICH}"),
    "one side": (["--torch", "verified_nets:make"], f"verify: model=None {_WHICH}"),
    "no shape": (
        FACTORIES,
        "verify: shape=() is not given, and nothing else says what the models take; pass the shape of a random input, "
        "channels last, e.g. --shape 2 64 65 3, or --inputs FILE.npy.",
    ),
    "shape and inputs": (
        [*FACTORIES, "--shape", "5", "3", "--inputs", "x.npy"],
        "verify: shape=(5, 3) and --inputs are both given; pass one of them.",
    ),
    "no such module": (
        ["--torch", "absent_nets:make", *FACTORIES[2:]],
        "verify: torch='absent_nets:make' cannot be imported (No module named 'absent_nets'); "
        "pass a module and a function in it, as my.net:make.",
    ),
    "no function": (
        [*FACTORIES[:3], "verified_nets:number"],
        "verify: flax='verified_nets:number' cannot be called; pass a function that makes the model.",
    ),
    "another shape": (
        [*FACTORIES, "--shape", "5", "7"],
        "verify: the models cannot run on the inputs (RuntimeError: mat1 and mat2 shapes cannot be multiplied (5x7 and "
        "3x4)); pass what both take with --shape or --inputs, channels last.",
    ),
    "no array": (
        [*FACTORIES, "--inputs", "absent.npy"],
        "verify: 'absent.npy' is no array ([Errno 2] No such file or directory: 'absent.npy'); "
        "pass files that numpy.save wrote.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use(name, here, capsys):
    arguments, message = WRONG[name]
    assert main(["verify", *arguments]) == 2
    assert capsys.readouterr().err.strip() == f"dilax: {message}"


def test_json_of_convert_and_export(tmp_path, capsys):
    torch.manual_seed(3)
    torch.save({"model": reference.create("meshnet", channels=4).state_dict(), "epoch": 2}, tmp_path / "model.pth")
    converted, back = tmp_path / "converted", tmp_path / "back.safetensors"
    arguments = ["convert", str(tmp_path / "model.pth"), "--model", "meshnet", "--no-verify", "--json"]
    assert main([*arguments, "--output", str(converted)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "file": str(tmp_path / "model.pth"), "format": "torch", "output": str(converted), "model": "meshnet",
        "options": {
            "activation": "relu", "in_channels": 1, "channels": 4, "num_classes": 3, "batch_norm": False,
            "dropout": 0.0,
        },
        "assumed": ["activation"], "arrays": 20, "numbers": 3615, "casts": [], "unused": ["epoch"], "notes": [],
        "verified": None,
    }  # fmt: skip
    assert "saved " in said.err
    assert main(["export", str(converted), "--output", str(back), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["output"], values["format"], values["numbers"]) == (str(back), "safetensors", 3615)
