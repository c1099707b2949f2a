"""The subcommands on small real files: what they write, what they say."""

import re

import nibabel
import numpy as np
import pytest
import torch

import interop
from dilax.cli import main
from dilax.data import scale_quantiles
from dilax.predict import predict_labels
from dilax.train import load_model
from interop import reference

OPTIONS = {"channels": 4, "num_classes": 3, "activation": "elu", "batch_norm": True}


@pytest.fixture
def checkpoint(tmp_path):
    """What a PyTorch training script saves, and its module."""
    torch.manual_seed(3)
    module = reference.create("meshnet", **OPTIONS)
    optimizer = torch.optim.AdamW(module.parameters())
    path = tmp_path / "model.pth"
    torch.save({"model": module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7}, path)
    return path, module.eval()


@pytest.fixture
def scan(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (14, 15, 16)).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(image, np.diag([2, 2, 2, 1.0])), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz", image


def test_convert_predict_export(checkpoint, scan, tmp_path, capsys):
    path, module = checkpoint
    converted, labels, back = tmp_path / "converted", tmp_path / "labels.nii.gz", tmp_path / "back.pth"
    arguments = ["convert", str(path), "--model", "meshnet", "--options", "activation=elu", "--output", str(converted)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "65 arrays" in said
    assert "from the state_dict in 'model'\nnot used: optimizer, epoch\n" in said
    assert "verified: 30 outputs equal PyTorch's, float64 error at most " in said

    picture = tmp_path / "labels.png"
    arguments = ["predict", str(converted), str(scan[0]), "--output", str(labels), "--picture", str(picture)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert f"saved {labels}: meshnet of step 0, 14×15×16 voxels in " in said
    assert picture.stat().st_size > 10_000
    low, high = np.quantile(scan[1].astype(np.float32), [0.02, 0.98])
    scaled = np.clip((scan[1].astype(np.float32) - low) / (high - low), 0, 1)
    with torch.no_grad():
        logits = module.double()(torch.from_numpy(scaled.astype(np.float64))[None, None])[0]
    written = np.asarray(nibabel.load(labels).dataobj)
    gap = np.diff(np.sort(logits.numpy(), axis=0)[-2:], axis=0)[0]
    different = written != logits.argmax(0).numpy()
    assert not different[gap > 1e-5].any()
    for label in range(3):
        assert f"{(written == label).sum():,}" in said

    assert main(["export", str(converted), "--output", str(back)]) == 0
    returned = torch.load(back, weights_only=True)
    theirs = torch.load(path, weights_only=True)["model"]
    assert list(returned) == list(theirs)
    assert all(torch.equal(returned[key], theirs[key]) for key in theirs)


def test_convert_says_what_it_assumes(checkpoint, tmp_path, capsys):
    with_relu = tmp_path / "relu"
    arguments = ["convert", str(checkpoint[0]), "--model", "meshnet", "--no-verify", "--output", str(with_relu)]
    assert main(arguments) == 0
    assert "assumed: activation=relu (the file cannot show it; --options sets it)" in capsys.readouterr().out
    assert load_model(with_relu)[0].config.activation == "relu"


def test_names_are_printed_as_they_are(checkpoint, tmp_path, capsys):
    path = checkpoint[0].rename(tmp_path / "[red]model[bold]:smile:.pth")
    target = tmp_path / "[dim]:bug:"
    assert main(["convert", str(path), "--model", "meshnet", "--no-verify", "--output", str(target)]) == 0
    said = capsys.readouterr().out
    assert f"read {path} (torch)" in said
    assert f"saved {target}; go on with dilax predict {target} SCAN" in said


def _train(*arguments):
    return main(["train", *map(str, arguments)])


def test_train_resume_and_predict(scan, tmp_path, capsys):
    run = tmp_path / "run"
    small = ["--data", "shapes", "--patch-size", 9, "--batch-size", 2, "--steps-per-epoch", 2]
    assert _train("--output", run, *small, "--epochs", 1, "--options", "channels=3", "--learning-rate", 0.01) == 0
    said = capsys.readouterr().out
    assert "epoch 1: loss " in said
    assert "finished at step 2, epoch 1" in said

    assert _train("--resume", run, "--epochs", 2, "--learning-rate", 0.002) == 0
    said = capsys.readouterr().out
    assert "goes on at step 2" in said
    assert "changed: epochs: 1 -> 2" in said
    assert "changed: optimizer.learning_rate: 0.01 -> 0.002" in said
    assert "finished at step 4, epoch 2" in said

    model, about = load_model(run)
    assert (about.step, model.config.channels) == (4, 3)
    assert main(["predict", str(run), str(scan[0]), "--output", str(tmp_path / "l.nii")]) == 0
    assert "meshnet of step 4" in capsys.readouterr().out
    written = np.asarray(nibabel.load(tmp_path / "l.nii").dataobj)
    np.testing.assert_array_equal(written, predict_labels(model, scale_quantiles(scan[1])))

    assert main(["inspect", str(run)]) == 0
    said = capsys.readouterr().out
    assert re.search("── kernel +3×3×3×1×3 +float32 +324 B\n", said)
    assert "── step = 4\n" in said


def test_train_starts_from_a_converted_model(checkpoint, tmp_path, capsys):
    converted, run = tmp_path / "converted", tmp_path / "run"
    main(["convert", str(checkpoint[0]), "--model", "meshnet", "--no-verify", "--output", str(converted)])
    small = ["--data", "shapes", "--patch-size", 9, "--batch-size", 2, "--steps-per-epoch", 1, "--epochs", 1]
    assert _train("--output", run, "--initial", converted, *small, "--learning-rate", 0) == 0
    trained = interop.state_dict(load_model(run)[0])
    for key, array in checkpoint[1].state_dict().items():
        if key.endswith(("weight", "bias")):  # a learning rate of 0 leaves them; statistics move
            np.testing.assert_array_equal(trained[key], array.numpy())
    assert trained["model.1.num_batches_tracked"] == 1
