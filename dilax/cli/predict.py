"""``dilax predict``: labels for a scan, labels or classes for a photograph."""

import time
from pathlib import Path
from typing import Any

import tyro
from rich.table import Table

from ..errors import ArgumentError, FileError
from .console import console, working
from .twins import VOLUMES


def predict(
    checkpoint: tyro.conf.Positional[Path],
    file: tyro.conf.Positional[Path],
    *,
    output: Path | None = None,
    picture: Path | None = None,
    tile: tuple[int, int, int] = (0, 0, 0),
    quantiles: tuple[float, float] = (0.02, 0.98),
    resize: int = 0,
    top: int = 5,
) -> int:
    """Predict the class of each voxel of a scan, of each pixel of a photograph, or of the photograph.

    What the model is says which: a model of volumes takes a scan, one of images a photograph, which is resized and
    normalised as the published weights of that name expect.

    For example:

        dilax predict converted scan.nii.gz --output labels.nii.gz --picture labels.png
        dilax predict runs/brain scan.nii.gz --output labels.nii.gz --tile 160 0 0
        dilax predict deeplabv3 photo.jpg --output labels.png --picture overlay.png
        dilax predict resnet50 photo.jpg

    Args:
        checkpoint: Directory of a run (its newest step), of one step, or of a converted model.
        file: A volume that nibabel reads, e.g. scan.nii.gz, or an image that Pillow reads, e.g. photo.jpg.
        output: The labels to write: .nii or .nii.gz of a scan, .png of a photograph. A model that classifies has none.
        picture: A picture of the labels to write besides: a scan's in three planes, a photograph's over it.
        tile: Of scans: edges of the tiles to run at a time, in voxels; 0 for the whole axis. Tiles change the memory,
            not the result.
        quantiles: Of scans: shares of the intensities that become 0 and 1.
        resize: Of photographs: pixels that the shorter side gets; 0 for what the published weights expect.
        top: Of photographs: how many classes to name.
    """
    from dilax.train import load_model

    if picture is not None and not picture.parent.is_dir():
        raise FileError("predict", picture, "lies in a directory that does not exist", "make the directory first")
    model, about = load_model(checkpoint)
    if about.model not in VOLUMES:
        from .predict_image import predict_photograph

        predict_photograph(
            model, about.model, checkpoint, file, output=output, picture=picture, resize=resize, top=top
        )  # fmt: skip
        return 0
    if output is None:
        raise ArgumentError("predict", "output", None, "is not given", "pass e.g. --output labels.nii.gz")
    _predict_scan(model, about, checkpoint, file, output=output, picture=picture, tile=tile, quantiles=quantiles)
    return 0


def _predict_scan(
    model: Any,
    about: Any,
    checkpoint: Path,
    scan: Path,
    *,
    output: Path,
    picture: Path | None,
    tile: tuple[int, int, int],
    quantiles: tuple[float, float],
) -> None:
    from dilax.data import read_scan, scale_quantiles, write_labels
    from dilax.data.scans import check_label_path
    from dilax.predict import draw_labels, predict_labels

    out = console()
    check_label_path(output)
    if model.config.in_channels != 1:
        raise FileError(
            "predict", checkpoint, f"is a model of {model.config.in_channels} channels, and a scan has one",
            "pass a model of one channel",
        )  # fmt: skip
    volume = read_scan(scan)
    image = scale_quantiles(volume.image, low=quantiles[0], high=quantiles[1])
    begin = time.monotonic()
    with working("predicting") as show:
        labels = predict_labels(model, image, tile=tile, progress=show)
    write_labels(output, labels, volume.affine)
    out.print(
        f"saved {output}: {about.model} of step {about.step}, {'×'.join(map(str, labels.shape))} voxels "
        f"in {time.monotonic() - begin:.1f} s"
    )
    names = _class_names(model, about)
    out.print(_table(labels, names, volume.affine))
    if picture is not None:
        draw_labels(picture, image, {"prediction": labels}, affine=volume.affine, class_names=names, title=scan.name)
        out.print(f"saved {picture}")


def _class_names(model: Any, about: Any) -> list[str]:
    from dilax.data import CLASS_NAMES

    if about.config is not None and about.config.get("data", {}).get("source") == "mni152":
        return list(CLASS_NAMES)
    return [f"class {index}" for index in range(model.config.num_classes)]


def _table(labels: Any, names: list[str], affine: Any) -> Table:
    import numpy as np

    counts = np.bincount(labels.ravel(), minlength=len(names))
    millilitres = abs(np.linalg.det(affine[:3, :3])) / 1000
    table = Table("class", "name", box=None, pad_edge=False)
    table.add_column("voxels", justify="right")
    table.add_column("ml", justify="right")
    for index, (name, count) in enumerate(zip(names, counts, strict=True)):
        table.add_row(str(index), name, f"{count:,}", f"{count * millilitres:,.1f}")
    return table
