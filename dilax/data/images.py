"""Photographs as arrays, and label images as files that show their colours everywhere."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageOps

from ..errors import ArgumentError, FileError

# What Pillow turns into red, green and blue without loss of range.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def read_image(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "h w 3"]:
    """Read a photograph, upright as its camera held it.

    Args:
        path: A file that Pillow reads, e.g. ``photo.jpg``.

    Returns:
        Red, green and blue, 0 to 255.

    Raises:
        FileError: There is no such file, or it is no image of 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode in _MODES:
                return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except FileNotFoundError:
        raise FileError("read_image", path, "does not exist", "check the path") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        what = "is a directory" if Path(path).is_dir() else "is no image that Pillow reads"
        raise FileError("read_image", path, what, "pass e.g. photo.jpg") from error
    raise FileError("read_image", path, f"has pixels of the kind {mode!r}", "pass an image of 8 bits a channel")


def write_label_image(path: str | os.PathLike[str], labels: Int[np.ndarray, "h w"]) -> None:
    """Write labels as a PNG whose pixels are the labels, shown in the colours of :func:`label_colours`.

    Args:
        path: The file, ``.png``.
        labels: From 0 to 255; 255 is often used for pixels that do not count.

    Raises:
        ArgumentError: A label is out of range.
        FileError: The file cannot be written.
    """
    check_png("write_label_image", path)
    if labels.size == 0 or labels.min() < 0 or labels.max() > 255:
        raise ArgumentError(
            "write_label_image", "labels", labels.shape, "is empty or has labels that are not from 0 to 255",
            "pass labels of at most 256 classes",
        )  # fmt: skip
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(label_colours().tobytes())
    try:
        image.save(path)
    except OSError as error:
        raise FileError(
            "write_label_image", path, f"cannot be written ({error.strerror})", "pass a place that can be written to"
        ) from error


def check_png(function: str, path: str | os.PathLike[str]) -> None:
    """Complain before the work, not after it.

    Raises:
        FileError: The name does not end in ``.png``, or its directory does not exist.
    """
    if Path(path).suffix.lower() != ".png":
        raise FileError(function, path, "does not end in .png", "pass such a name")
    if not Path(path).parent.is_dir():
        raise FileError(function, path, "lies in a directory that does not exist", "make the directory first")


def label_colours() -> UInt8[np.ndarray, "256 3"]:
    """The colours of PASCAL VOC's label images: red, green and blue of each label.

    The bits of a label, three at a time from the lowest, are the bits of the three colours from the highest.

    >>> label_colours()[:4].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    labels = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for place in range(3):
        for channel in range(3):
            bit = (labels >> (3 * place + channel)) & 1
            colours[:, channel] |= (bit << (7 - place)).astype(np.uint8)
    return colours
