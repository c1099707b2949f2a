"""From the values of a mask to classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Int32, Integer

from ..errors import ArgumentError, BadSample
from .image_files import read_color_mask, read_index_mask


class ReadMask(Protocol):
    """Reads the labels of an image from a file."""

    def __call__(self, path: Path) -> Int32[np.ndarray, "h w"]:
        """Read one class a pixel.

        Raises:
            BadSample: The file cannot be read, or holds what has no class.
        """


@dataclass(frozen=True)
class IndexMask:
    """Masks whose values are classes.

    Args:
        num_classes: Classes are 0 to one less.
        ignore_index: The value of pixels without a class.
    """

    num_classes: int
    ignore_index: int

    def __call__(self, path: Path) -> Int32[np.ndarray, "h w"]:
        """Read one class a pixel."""
        return checked_labels(path, read_index_mask(path), self.num_classes, self.ignore_index)


@dataclass(frozen=True)
class MappedMask:
    """Masks whose values, or colours, a table turns into classes.

    Args:
        table: Value to class; a colour is 65536 red + 256 green + blue.
        colors: Whether the values are colours.
    """

    table: Mapping[int, int]
    colors: bool

    def __call__(self, path: Path) -> Int32[np.ndarray, "h w"]:
        """Read one class a pixel."""
        values = read_color_mask(path) if self.colors else read_index_mask(path)
        keys = np.array(sorted(self.table), np.int32)
        places = np.searchsorted(keys, values).clip(max=len(keys) - 1)
        unknown = keys[places] != values
        if unknown.any():
            row, column = (int(axis[0]) for axis in np.nonzero(unknown))
            value = int(values[row, column])
            what = f"the colour #{value:06x}" if self.colors else f"the value {value}"
            raise BadSample(path, f"has {what} at ({row}, {column}), which stands for no class")
        return np.array([self.table[int(key)] for key in keys], np.int32)[places]


def checked_labels(
    path: Path, labels: Integer[np.ndarray, "*spatial"], num_classes: int, ignore_index: int
) -> Int32[np.ndarray, "*spatial"]:
    """The labels in int32, if each is a class or the ignore index.

    Raises:
        BadSample: One is neither.
    """
    wrong = ((labels < 0) | (labels >= num_classes)) & (labels != ignore_index)
    if wrong.any():
        place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        raise BadSample(
            path,
            f"has the label {labels[place]} at {place}, where classes are 0 to {num_classes - 1} "
            f"and {ignore_index} is ignored",
        )
    return labels.astype(np.int32)


def parse_color(text: str) -> int:
    """A colour such as ``"#ff8000"`` as 65536 red + 256 green + blue.

    Raises:
        ArgumentError: The text is no such colour.
    """
    digits = text.removeprefix("#")
    if len(digits) != 6 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise ArgumentError("folder", "colors", text, "is no colour", "pass e.g. '#ff8000'")
    return int(digits, 16)
