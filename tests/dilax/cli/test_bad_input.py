"""Every wrong input ends with status 2, one sentence on standard error, and nothing written."""

import os
import shutil
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import torch

from dilax import models
from dilax.cli import main
from dilax.errors import FileError
from dilax.train import save_model
from interop import reference


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A directory with one good file of each kind, and bad ones."""
    folder = tmp_path_factory.mktemp("prepared")
    torch.save(reference.create("meshnet", channels=4).state_dict(), folder / "good.pth")
    raw = (folder / "good.pth").read_bytes()
    (folder / "cut.pth").write_bytes(raw[: len(raw) // 2])
    (folder / "empty.pth").write_bytes(b"")
    (folder / "text.pth").write_text("hello")
    torch.save({"weight": torch.ones(2, 3)}, folder / "other.pth")
    (folder / "folder").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "x").write_text("")
    save_model(folder / "flax", models.create("meshnet", channels=4), name="meshnet")
    save_model(folder / "two", models.create("meshnet", channels=4, in_channels=2), name="meshnet")
    nibabel.save(nibabel.Nifti1Image(np.arange(60.0).reshape(3, 4, 5), np.eye(4)), folder / "scan.nii")
    nibabel.save(nibabel.Nifti1Image(np.ones((3, 4, 5)), np.eye(4)), folder / "flat.nii")
    return folder


@pytest.fixture
def here(prepared, tmp_path, monkeypatch):
    """A copy of that directory, as the current one."""
    folder = shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


_MESHNET = ["--model", "meshnet"]
CASES = {
    "inspect a missing file": (
        ["inspect", "absent.pth"],
        "read: 'absent.pth' does not exist; check the path.",
    ),
    "inspect a directory": (
        ["inspect", "folder"],
        "inspect: 'folder' is a directory without a checkpoint; pass a checkpoint file, or a directory that "
        "dilax train, dilax convert or Orbax wrote.",
    ),
    "convert a missing file": (
        ["convert", "absent.pth", *_MESHNET],
        "read: 'absent.pth' does not exist; check the path.",
    ),
    "convert a directory": (
        ["convert", "folder", *_MESHNET, "--output", "new"],
        "read: 'folder' is a directory; pass a checkpoint file inside it.",
    ),
    "convert an empty file": (
        ["convert", "empty.pth", *_MESHNET],
        "read: 'empty.pth' is empty; copy or download it again.",
    ),
    "convert a truncated file": (
        ["convert", "cut.pth", *_MESHNET],
        "read: 'cut.pth' is a zip archive without an end: it is truncated; copy or download it again.",
    ),
    "convert a file of another kind": (
        ["convert", "text.pth", *_MESHNET],
        "read: 'text.pth' is of no known kind (it begins with b'hello'); "
        "pass a file that torch.save or safetensors wrote.",
    ),
    "convert another model": (
        ["convert", "other.pth", *_MESHNET, "--output", "new"],
        "infer_options: the state_dict has 0 5-D weights under model.N.weight where a meshnet has 10, evenly "
        "spaced; pass the checkpoint of a MeshNet, with its keys model.0.weight, model.2.weight and so on.",
    ),
    "convert to an unknown model": (
        ["convert", "good.pth", "--model", "mesnet"],
        "config_type: name='mesnet' is no model (did you mean 'meshnet'?); pass one of meshnet, "
        f"resnet50, resnet34, resnet26, resnet18, … ({len(models.list())} in all).",
    ),
    "convert with an unknown option": (
        ["convert", "good.pth", *_MESHNET, "--options", "activaton=elu"],
        "options: options='activaton=elu' names no known option (did you mean 'activation'?); "
        "pass some of in_channels, channels, num_classes, activation, batch_norm, dropout.",
    ),
    "convert with a tuple of another type": (
        ["convert", "good.pth", "--model", "deeplabv3_resnet50", "--options", "dilations=6,twelve"],
        "options: options='dilations=6,twelve' has a value of another type; "
        "pass whole numbers with commas between them, e.g. 6,12,18.",
    ),
    "convert with a value of another type": (
        ["convert", "good.pth", *_MESHNET, "--options", "channels=many"],
        "options: options='channels=many' has a value of another type; pass a whole number.",
    ),
    "convert for other classes": (
        ["convert", "good.pth", *_MESHNET, "--options", "num_classes=5", "--output", "new"],
        "load: the state_dict and the MeshNet differ in 2 places; build the model with the checkpoint's "
        "options, or pass the checkpoint of this model.\n"
        "  shape: model.18.weight is [3, 4, 1, 1, 1], the model's [5, 4, 1, 1, 1]\n"
        "  shape: model.18.bias is [3], the model's [5]",
    ),
    "convert into a full directory": (
        ["convert", "good.pth", *_MESHNET, "--output", "full"],
        "convert: 'full' exists and is not empty; pass another --output.",
    ),
    "convert into a place that takes nothing": (
        ["convert", "good.pth", *_MESHNET, "--no-verify", "--output", "scan.nii/new"],
        None,
    ),
    "export nothing": (
        ["export", "absent", "--output", "x.pth"],
        "load_model: 'absent' does not exist; pass the directory of a run or of one of its steps.",
    ),
    "export a file": (
        ["export", "good.pth", "--output", "x.pth"],
        "load_model: 'good.pth' is a file; pass the directory of a run or of one of its steps.",
    ),
    "export into a place that takes nothing": (
        ["export", "flax", "--output", "absent/x.pth"],
        "write: 'absent/x.pth' cannot be written (No such file or directory); pass a place that can be written to.",
    ),
    "predict without a model": (
        ["predict", "folder", "scan.nii", "--output", "l.nii"],
        "load_model: 'folder' holds no checkpoint; pass the directory of a run or of a step.",
    ),
    "predict with a model of two channels": (
        ["predict", "two", "scan.nii", "--output", "l.nii"],
        "predict: 'two' is a model of 2 channels, and a scan has one; pass a model of one channel.",
    ),
    "predict a scan without a place for the labels": (
        ["predict", "flax", "scan.nii"],
        "predict: output=None is not given; pass e.g. --output labels.nii.gz.",
    ),
    "predict a missing scan": (
        ["predict", "flax", "absent.nii", "--output", "l.nii"],
        "read_scan: 'absent.nii' does not exist; check the path.",
    ),
    "predict a file that is no scan": (["predict", "flax", "good.pth", "--output", "l.nii"], None),
    "predict a scan without contrast": (
        ["predict", "flax", "flat.nii", "--output", "l.nii"],
        "scale_quantiles: volume=(3, 4, 5) has the same value, 1, at its 0.02 and 0.98 quantiles; "
        "pass a volume with contrast, or quantiles further apart.",
    ),
    "predict into a name of another kind": (
        ["predict", "flax", "scan.nii", "--output", "l.png"],
        "write_labels: 'l.png' does not end in .nii or .nii.gz; pass such a name.",
    ),
    "predict into a missing directory": (
        ["predict", "flax", "scan.nii", "--output", "absent/l.nii"],
        "write_labels: 'absent/l.nii' lies in a directory that does not exist; make the directory first.",
    ),
    "train nowhere": (
        ["train"],
        "train: output=None must be given for a new run, and --resume for an old one, not both; pass one of them.",
    ),
    "train into a full directory": (
        ["train", "--output", "full", "--data", "shapes"],
        "train: 'full' is not empty; resume the run in it (--resume), or pass another directory.",
    ),
    "resume nothing": (
        ["train", "--resume", "folder"],
        "train: 'folder' holds no checkpoint; pass the directory of a run or of a step.",
    ),
    "train as one of two that meet nowhere": (
        ["train", "--output", "new", "--num-processes", "2", "--process-id", "1"],
        "train: coordinator=None leaves open where the processes meet; "
        "pass --coordinator host:port, or --distributed where SLURM or Kubernetes started them.",
    ),
    "evaluate a step of a step": (
        ["eval", "flax/0", "--step", "3"],
        "eval: 'flax/0' is one step and has none; leave --step out, or pass the directory of its run, 'flax'.",
    ),
    "evaluate nothing": (
        ["eval", "absent"],
        "eval: 'absent' does not exist; pass the directory of a run or of one of its steps.",
    ),
    "resume a converted model": (
        ["train", "--resume", "flax", "--data", "shapes"],
        "train: 'flax' was not written by a run; pass it as --initial of a new run.",
    ),
    "train with a rate below zero": (
        ["train", "--output", "new", "--learning-rate", "-1"],
        "OptimizerConfig: learning_rate=-1.0 is negative or not finite; pass a number, e.g. 0.001.",
    ),
    "train with other classes than the data has": (
        ["train", "--output", "new", "--data", "shapes", "--options", "num_classes=7"],
        None,
    ),
    "demo into a full directory": (
        ["demo", "--output", "full"],
        "demo: 'full' exists and is not empty; pass another --output.",
    ),
}


def _snapshot(folder):
    return sorted((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_status_two_and_nothing_written(here, capsys, name):
    arguments, message = CASES[name]
    before = [entry for entry in _snapshot(here) if ".lock" not in entry[0]]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("dilax: ")
    if message is not None:
        assert said.err == f"dilax: {message}\n"
    elif "other classes" not in name:
        assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert [entry for entry in _snapshot(here) if ".lock" not in entry[0]] == before


def test_traceback_shows_where_it_arose(here):
    with pytest.raises(FileError):
        main(["--traceback", "inspect", "absent.pth"])


def test_a_wrong_command_line_ends_with_status_two(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["conver"])
    assert caught.value.code == 2
    assert "convert" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission(here):
    (here / "folder").chmod(0o500)
    assert main(["export", "flax", "--output", "folder/x.pth"]) == 2


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], {"jax", "torch", "numpy", "flax"}),
        (["convert", "--help"], {"jax", "torch"}),
        (["verify", "--help"], {"jax", "torch"}),
        (["train", "--help"], {"jax", "torch"}),
        (["inspect", "good.pth"], {"jax", "torch"}),
        (["inspect", "flax"], {"jax", "torch", "orbax"}),
        (["convert", "good.pth", "--model", "meshnet", "--no-verify", "--output", "new"], {"torch"}),
    ],
)
def test_what_a_command_does_not_import(here, arguments, absent):
    code = (
        "import sys\nfrom dilax.cli import main\n"
        f"try:\n    status = main({arguments!r})\nexcept SystemExit as ended:\n    status = ended.code\n"
        f"print(*sorted({absent!r} & set(sys.modules)), file=sys.stderr)\nraise SystemExit(status)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr.strip()) == (0, "")
    assert run.stdout
