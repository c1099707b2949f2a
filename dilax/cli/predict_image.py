"""What ``dilax predict`` does with a photograph."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from ..errors import ArgumentError, FileError
from .console import console


def predict_photograph(
    model: Any,
    name: str,
    checkpoint: Path,
    file: Path,
    *,
    output: Path | None,
    picture: Path | None,
    resize: int,
    top: int,
) -> None:
    """Write the labels of a photograph, or print its most likely classes.

    Args:
        model: The model, of images.
        name: Its name in ``dilax.models``.
        checkpoint: Where it came from.
        file: The photograph.
        output: The label image to write.
        picture: The picture of the labels over the photograph to write.
        resize: Pixels that the shorter side gets; 0 for what the published weights expect.
        top: How many classes to print.

    Raises:
        ArgumentError: An argument does not suit what the model gives.
        FileError: The photograph cannot be read, a file cannot be written, or the model takes something else.
    """
    from dilax.data import read_image, reference_class_names
    from dilax.data.images import check_png
    from dilax.predict import predict_image

    if output is not None:
        check_png("predict", output)
    preprocessing = _preprocessing(name, model, checkpoint, resize)
    image = read_image(file)
    begin = time.monotonic()
    found = predict_image(model, image, preprocessing=preprocessing)
    took = f"{name}, {image.shape[0]}×{image.shape[1]} pixels in {time.monotonic() - begin:.1f} s"
    class_names = reference_class_names(name, model.config.num_classes)
    if found.labels is not None:
        _write(found.labels, image, file, output, picture, class_names, took)
        return
    for argument, value in (("output", output), ("picture", picture)):
        if value is not None:
            raise ArgumentError(
                "predict", argument, str(value), f"cannot be written: {name} gives one class to the whole image",
                "leave it out",
            )  # fmt: skip
    console().print(took)
    console().print(_scores(found.top(top), class_names))


def _preprocessing(name: str, model: Any, checkpoint: Path, resize: int) -> Any:
    from dilax.data import reference_preprocessing

    if (channels := model.config.in_channels) != 3:
        raise FileError(
            "predict", checkpoint, f"is a model with in_channels={channels}, and a photograph has three",
            "pass a model of three channels",
        )  # fmt: skip
    found = reference_preprocessing(name)
    if found is None:
        raise FileError(
            "predict", checkpoint, f"is a {name}, and what its published weights expect of an image is not known",
            "call dilax.predict.predict_image with a Preprocessing",
        )  # fmt: skip
    return replace(found, resize=resize) if resize else found


def _write(
    labels: Any,
    image: Any,
    file: Path,
    output: Path | None,
    picture: Path | None,
    class_names: tuple[str, ...],
    took: str,
) -> None:
    from dilax.data import write_label_image
    from dilax.predict import draw_overlay

    out = console()
    out.print(took)
    if output is not None:
        write_label_image(output, labels)
        out.print(f"saved {output}")
    out.print(_pixels(labels, class_names))
    if picture is not None:
        draw_overlay(picture, image, labels, class_names=class_names, title=file.name)
        out.print(f"saved {picture}")


def _pixels(labels: Any, class_names: tuple[str, ...]) -> Table:
    import numpy as np

    table = Table("class", "name", box=None, pad_edge=False)
    table.add_column("pixels", justify="right")
    table.add_column("share", justify="right")
    counts = np.bincount(labels.ravel(), minlength=len(class_names))
    for index in np.argsort(-counts, kind="stable"):
        if counts[index]:
            share = f"{counts[index] / labels.size:.1%}"
            table.add_row(str(index), class_names[index], f"{counts[index]:,}", share)
    return table


def _scores(classes: list[tuple[int, float]], class_names: tuple[str, ...]) -> Table:
    table = Table("class", "name", box=None, pad_edge=False)
    table.add_column("probability", justify="right")
    for index, probability in classes:
        table.add_row(str(index), class_names[index], f"{probability:.4f}")
    return table
