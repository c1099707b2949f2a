"""``dilax predict``: labels for a scan."""

import time
from pathlib import Path
from typing import Any

import tyro
from rich.table import Table

from ..errors import FileError
from .console import console, working
from .twins import VOLUMES


def predict(
    checkpoint: tyro.conf.Positional[Path],
    scan: tyro.conf.Positional[Path],
    *,
    output: Path,
    picture: Path | None = None,
    tile: tuple[int, int, int] = (0, 0, 0),
    quantiles: tuple[float, float] = (0.02, 0.98),
) -> int:
    """Predict the class of each voxel of a scan.

    For example:

        dilax predict converted scan.nii.gz --output labels.nii.gz --picture labels.png
        dilax predict runs/brain scan.nii.gz --output labels.nii.gz --tile 160 0 0

    Args:
        checkpoint: Directory of a run (its newest step), of one step, or of a converted model.
        scan: A volume that nibabel reads, e.g. scan.nii.gz.
        output: The labels to write, .nii or .nii.gz.
        picture: A picture of the labels in three planes to write besides.
        tile: Edges of the tiles to run at a time, in voxels; 0 for the whole axis. Tiles change the memory, not the
            result.
        quantiles: Shares of the intensities that become 0 and 1.
    """
    from dilax.data import read_scan, scale_quantiles, write_labels
    from dilax.data.scans import check_label_path
    from dilax.predict import draw_labels, predict_labels
    from dilax.train import load_model

    out = console()
    check_label_path(output)
    if picture is not None and not picture.parent.is_dir():
        raise FileError("predict", picture, "lies in a directory that does not exist", "make the directory first")
    model, about = load_model(checkpoint)
    _check_model(model, about.model, checkpoint)
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
    return 0


def _check_model(model: Any, name: str, checkpoint: Path) -> None:
    if name not in VOLUMES:
        raise FileError(
            "predict", checkpoint, f"is a model of images ({name}), and a scan is a volume", "pass a model of volumes"
        )
    if model.config.in_channels != 1:
        raise FileError(
            "predict", checkpoint, f"is a model of {model.config.in_channels} channels, and a scan has one",
            "pass a model of one channel",
        )  # fmt: skip


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
