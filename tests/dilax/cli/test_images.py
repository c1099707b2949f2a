"""Models of images on the command line, where a command takes volumes."""

from dilax import models
from dilax.cli import main
from dilax.train import save_model


def test_a_model_of_images_predicts_no_volume(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    save_model("images", models.create("resnet18", in_channels=1, num_classes=2), name="resnet18")
    assert main(["predict", "images", "scan.nii", "--output", "labels.nii"]) == 2
    assert capsys.readouterr().err == (
        "dilax: predict: 'images' is a model of images (resnet18), and a scan is a volume; pass a model of volumes.\n"
    )
