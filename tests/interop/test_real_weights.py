"""Trained MeshNets on a real brain, where the files are at hand beside the project."""

import resource
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

import interop
from dilax import models
from dilax.cli import main
from dilax.data import read_scan, scale_quantiles
from dilax.train import load_model
from interop import reference

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "meshnet"
FILES = {"model5_gw_ae.pth": "relu", "model18cls.pth": "elu"}
# Voxels of labels 0 to 17 that PyTorch gives for the whole scan, from the notes that came with the files.
COUNTS = [
    15499237, 491100, 549553, 20658, 1399, 23333, 108663, 18616, 7447, 10728, 3398, 1450, 1499, 20321, 7825, 3388, 1283,
    7318,
]  # fmt: skip

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the trained MeshNet weights are not beside the project")


@pytest.fixture(scope="module")
def central_cube(tmp_path_factory):
    """The middle 96 voxels of the scan along each axis, scaled as a whole, as a file and as an array."""
    scan = read_scan(DATA / "t1_crop.nii.gz")
    image = scale_quantiles(scan.image)[80:176, 80:176, 80:176]
    path = tmp_path_factory.mktemp("cube") / "cube.nii"
    nibabel.save(nibabel.Nifti1Image(image, scan.affine), path)
    return path, image


@pytest.mark.parametrize("file", ["model5_gw_ae.pth", pytest.param("model18cls.pth", marks=pytest.mark.slow)])
def test_the_command_gives_torch_labels_voxel_by_voxel(file, central_cube, tmp_path, capsys):
    path, image = central_cube
    options = ["--options", f"activation={FILES[file]}"]
    arguments = ["convert", str(DATA / file), "--model", "meshnet", *options, "--output", str(tmp_path / "flax")]
    assert main(arguments) == 0
    assert "verified: 21 outputs equal PyTorch's" in capsys.readouterr().out
    labels = tmp_path / "labels.nii.gz"
    # The cube is scaled already: its smallest and largest values become 0 and 1 as they are.
    arguments = ["predict", str(tmp_path / "flax"), str(path), "--output", str(labels), "--quantiles", "0", "1"]
    assert (image.min(), image.max()) == (0, 1)
    assert main(arguments) == 0
    model, _ = load_model(tmp_path / "flax")
    module = reference.create("meshnet", **vars(model.config))
    arrays = {key: torch.tensor(array.numpy()) for key, array in interop.read(DATA / file).items()}
    module.load_state_dict(arrays)
    with torch.no_grad():
        theirs = module.eval()(torch.from_numpy(image)[None, None])[0].argmax(0).numpy()
    np.testing.assert_array_equal(np.asarray(nibabel.load(labels).dataobj), theirs)
    assert len(np.unique(theirs)) == model.config.num_classes


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_scan_in_less_than_eight_gigabytes(tmp_path):
    file, scan = DATA / "model18cls.pth", DATA / "t1_crop.nii.gz"
    converted, labels = tmp_path / "flax", tmp_path / "labels.nii.gz"
    arguments = ["--model", "meshnet", "--options", "activation=elu", "--no-verify", "--output", str(converted)]
    assert main(["convert", str(file), *arguments]) == 0
    command = [sys.executable, "-m", "dilax", "predict", str(converted), str(scan), "--output", str(labels)]
    subprocess.run(command, check=True)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 8 * 2**20  # KiB
    ours = np.asarray(nibabel.load(labels).dataobj)

    module = reference.create("meshnet", **vars(load_model(converted)[0].config)).eval()
    module.load_state_dict({key: torch.tensor(array.numpy()) for key, array in interop.read(file).items()})
    image = scale_quantiles(read_scan(scan).image)
    with torch.no_grad():
        x = torch.from_numpy(image)[None, None]
        for layer in module.model:
            x = layer(x)
        theirs = x[0].argmax(0).numpy()
    np.testing.assert_array_equal(np.bincount(theirs.ravel(), minlength=18), COUNTS)

    # Where a label differs, both classes must be the best one to within half a unit in the last place of float32:
    # float64 tells them apart, float32 cannot.
    different = np.argwhere(ours != theirs)
    assert len(different) < 10
    for place in map(tuple, different):
        logits = _logits_float64(module, image, place)
        best = logits.max()
        assert best - logits[ours[place]] <= np.spacing(np.float32(best)) / 2
    counts = np.bincount(ours.ravel(), minlength=18)
    assert np.abs(counts - COUNTS).sum() <= 2 * len(different)


def _logits_float64(module, image, place):
    """The logits of one voxel, from all that it can see."""
    begin = [max(at - models.meshnet.RADIUS, 0) for at in place]
    seen = tuple(slice(first, at + models.meshnet.RADIUS + 1) for first, at in zip(begin, place, strict=True))
    with torch.no_grad():
        logits = module.double()(torch.from_numpy(image[seen].astype(np.float64))[None, None])[0]
    return logits[(slice(None), *(at - first for first, at in zip(begin, place, strict=True)))].numpy()
