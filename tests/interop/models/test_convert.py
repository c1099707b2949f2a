"""``dilax convert`` of a file with torchvision's keys and shapes, and what it says of other files."""

import json
import sys

import numpy as np
import pytest

pytest.importorskip("torchvision")

import torch
import torchvision

import interop
from dilax.cli import main
from dilax.errors import DilaxError
from dilax.train import load_model
from interop import reference as twins
from interop.testing import randomise

from .references import reference


def save(kind, path):
    torch.manual_seed(0)
    module = randomise(reference(kind)).eval()
    torch.save(module.state_dict(), path)
    return module


def test_without_torchvision_a_model_is_converted_and_not_verified(tmp_path, capsys, monkeypatch):
    path, target = tmp_path / "resnet18.pth", tmp_path / "converted"
    module = save("resnet18", path)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)  # importing it fails
    assert main(["convert", str(path), "--model", "resnet18", "--output", str(target)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "assumed: output_stride=32 (the file cannot show it; --options sets it)",
        "model: resnet18 output_stride=32 in_channels=3 num_classes=7",
        "not verified: torchvision is not installed (pip install 'dilax-nn[torchvision]')",
        f"saved {target}; go on with dilax predict {target} PHOTO",
    ]
    model, about = load_model(target)
    assert (about.model, about.model_options["num_classes"]) == ("resnet18", 7)
    assert interop.state_dict(model)["fc.bias"].tobytes() == module.fc.bias.detach().numpy().tobytes()


def test_a_model_that_takes_no_photograph_is_not_sent_to_one(tmp_path, capsys):
    path, target = tmp_path / "grey.pth", tmp_path / "converted"
    torch.save(twins.create("resnet18", in_channels=1, num_classes=7).state_dict(), path)
    assert main(["convert", str(path), "--model", "resnet18", "--no-verify", "--output", str(target)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"saved {target}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_deeplabv3_is_verified(tmp_path, capsys):
    path = tmp_path / "model.pth"
    save("deeplabv3_resnet50", path)
    options = ["--options", "output_stride=16", "multi_grid=1,2,4", "dilations=6,12,18"]
    assert main(["convert", str(path), "--model", "deeplabv3_resnet50", "--output", str(tmp_path / "n"), *options]) == 0
    assert "verified: 214 outputs equal PyTorch's, float64 error at most " in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_deeplabv3_is_converted_and_goes_back(tmp_path, capsys):
    path, target, back = tmp_path / "deeplabv3_resnet50_coco.pth", tmp_path / "converted", tmp_path / "back.pth"
    module = save("deeplabv3_resnet50 with auxiliary head", path)
    arguments = ["convert", str(path), "--model", "deeplabv3_resnet50", "--no-verify", "--output", str(target)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert (
        "assumed: output_stride=8 multi_grid=None dilations=12,24,36 (the file cannot show it; --options sets it)\n"
        "model: deeplabv3_resnet50 output_stride=8 multi_grid=None dilations=12,24,36 in_channels=3 num_classes=5 "
        "auxiliary_head=True\n"
    ) in said
    assert main(["export", str(target), "--output", str(back)]) == 0
    arrays = torch.load(back, weights_only=True)
    expected = module.state_dict()
    assert list(arrays) == list(expected)
    assert all(torch.equal(arrays[key], tensor) for key, tensor in expected.items())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("old", [False, True])
def test_a_file_like_the_published_one_is_converted_in_one_command(old, tmp_path, capsys):
    """deeplabv3_resnet50_coco: 21 classes, an auxiliary head; before PyTorch 0.4.1, no counts of batches."""
    path, target = tmp_path / "deeplabv3_resnet50_coco.pth", tmp_path / "converted"
    torch.manual_seed(0)
    build = torchvision.models.segmentation.deeplabv3_resnet50
    module = randomise(build(weights=None, weights_backbone=None, num_classes=21, aux_loss=True))
    arrays = module.state_dict()
    torch.save({key: one for key, one in arrays.items() if not (old and key.endswith("tracked"))}, path)
    arguments = ["convert", str(path), "--model", "deeplabv3_resnet50", "--output", str(target)]
    assert main(arguments + ([] if old else ["--no-verify"])) == 0
    said = capsys.readouterr().out
    assert "in_channels=3 num_classes=21 auxiliary_head=True\n" in said
    counts = "backbone.bn1.num_batches_tracked and 60 more like it: not in the checkpoint, as in files of PyTorch "
    assert (counts in said) == old
    assert ("verified: " in said) == old
    back = interop.state_dict(load_model(target)[0])
    assert back.keys() == arrays.keys()
    for key, array in back.items():
        expected = 0 if old and key.endswith("tracked") else arrays[key].numpy()
        np.testing.assert_array_equal(array, expected, err_msg=key)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_options_on_the_command_line_reach_the_model(tmp_path, capsys):
    path, options = tmp_path / "model.pth", ["--options", "output_stride=16", "multi_grid=1,2,4", "dilations=6,12,18"]
    save("deeplabv3_resnet50", path)
    arguments = ["convert", str(path), "--model", "deeplabv3_resnet50", "--json", "--output", str(tmp_path / "new")]
    assert main([*arguments, "--no-verify", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["assumed"] == []
    assert found["options"] == {
        "in_channels": 3, "num_classes": 5, "auxiliary_head": False, "output_stride": 16, "multi_grid": [1, 2, 4],
        "dilations": [6, 12, 18],
    }  # fmt: skip
    model, _ = load_model(tmp_path / "new")
    assert model.config.multi_grid == (1, 2, 4)
    assert model.classifier[0].convs[3][0].dilation == (18, 18)


def test_the_checkpoint_of_another_model_is_named():
    with torch.device("meta"):
        arrays = reference("resnet50").state_dict()
    fix = "pass the checkpoint of one, with torchvision's or timm's keys, or the name of its own model."
    for name in ("wide_resnet50_2", "deeplabv3_resnet50"):
        with pytest.raises(DilaxError) as caught:
            interop.infer_options(name, arrays)
        assert str(caught.value) == f"infer_options: the state_dict is that of resnet50, and not of {name}; {fix}"
    with pytest.raises(DilaxError) as caught:
        interop.infer_options("resnet50", {"conv1.weight": np.zeros(3)})
    none = "no ResNet that dilax has"
    assert str(caught.value) == f"infer_options: the state_dict is that of {none}, and not of resnet50; {fix}"
