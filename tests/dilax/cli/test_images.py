"""``dilax predict`` with models of images."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from flax import nnx
from PIL import Image

from dilax import models
from dilax.cli import main
from dilax.cli.predict_image import predict_photograph
from dilax.data import label_colours, read_image, reference_preprocessing
from dilax.errors import FileError
from dilax.predict import predict_image
from dilax.train import load_model, save_model


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    save_model(folder / "resnet10t", models.create("resnet10t", num_classes=12), name="resnet10t")
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    return folder


@pytest.fixture
def here(prepared, monkeypatch):
    monkeypatch.chdir(prepared)
    monkeypatch.setenv("COLUMNS", "300")
    return prepared


def test_a_classifier_names_the_likeliest_classes(here, capsys):
    assert main(["predict", "resnet10t", "photo.png", "--top", "3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("resnet10t, 50×70 pixels in ")
    model, how = load_model("resnet10t")[0], reference_preprocessing("resnet10t")
    found = predict_image(model, read_image("photo.png"), preprocessing=how).top(3)
    assert [line.split() for line in said[2:]] == [
        [str(index), "class", str(index), f"{score:.4f}"] for index, score in found
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["resnet10t", "absent.jpg"],
            "read_image: 'absent.jpg' does not exist; check the path.",
        ),
        (
            ["resnet10t", "photo.png", "--output", "labels.nii"],
            "predict: 'labels.nii' does not end in .png; pass such a name.",
        ),
        (
            ["resnet10t", "photo.png", "--output", "labels.png"],
            "predict: output='labels.png' cannot be written: resnet10t gives one class to the whole image; "
            "leave it out.",
        ),
        (
            ["resnet10t", "photo.png", "--resize", "100"],
            "Preprocessing: crop=176 does not fit into an image resized to 100; pass a resize of that size or more.",
        ),
    ],
)
def test_what_is_refused(here, capsys, arguments, message):
    assert main(["predict", *arguments]) == 2
    assert capsys.readouterr().err == f"dilax: {message}\n"
    assert not list(here.glob("labels*"))


@pytest.mark.parametrize(
    ("name", "channels", "message"),
    [
        (
            "csrnet", 3,
            "predict: 'here' is a csrnet, and what its published weights expect of an image is not known; "
            "call dilax.predict.predict_image with a Preprocessing.",
        ),
        (
            "resnet50", 1,
            "predict: 'here' is a model with in_channels=1, and a photograph has three; "
            "pass a model of three channels.",
        ),
    ],
)  # fmt: skip
def test_models_that_take_something_else(name, channels, message):
    model = SimpleNamespace(config=models.config_type(name)(in_channels=channels))
    with pytest.raises(FileError) as caught:
        predict_photograph(model, name, Path("here"), Path("photo.png"), output=None, picture=None, resize=0, top=5)
    assert str(caught.value) == message


@pytest.mark.slow
def test_a_segmenting_model_writes_labels_and_a_picture(tmp_path, capsys, monkeypatch):
    """Against torchvision's own preset, model and interpolation."""
    torchvision = pytest.importorskip("torchvision")
    import torch

    import interop
    from interop.testing import randomise

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    module = randomise(torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None)).eval()
    model = nnx.eval_shape(lambda: models.create("fcn_resnet50"))
    interop.load(model, module.state_dict())
    save_model("fcn", model, name="fcn_resnet50")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3)).astype(np.uint8).repeat(20, 0).repeat(20, 1)
    Image.fromarray(pixels).save("photo.png")
    command = ["predict", "fcn", "photo.png", "--output", "labels.png", "--picture", "overlay.png", "--resize", "96"]
    assert main(command) == 0
    said = capsys.readouterr().out
    preset = torchvision.transforms._presets.SemanticSegmentation(resize_size=96)
    with torch.no_grad(), Image.open("photo.png") as photo:
        logits = module.double()(preset(photo)[None].double())["out"]
        logits = torch.nn.functional.interpolate(logits, (180, 260), mode="bilinear", align_corners=False)[0].numpy()
    with Image.open("labels.png") as image:
        labels = np.asarray(image)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), label_colours()[labels])
    assert len(np.unique(labels)) > 1
    gap = np.diff(np.sort(logits, axis=0)[-2:], axis=0)[0]
    assert not (labels != logits.argmax(0))[gap > 1e-4 * abs(logits).max()].any()
    assert said.startswith("fcn_resnet50, 180×260 pixels in ")
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        assert f"{count:,}" in said, label
    assert (tmp_path / "overlay.png").stat().st_size > 10_000
