"""Files of images with files of masks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from ..errors import BadSample, FileError
from .examples import Example
from .image_files import read_pixels
from .masks import ReadMask


@dataclass(frozen=True)
class Pair:
    """An image and its labels, not read yet.

    Args:
        name: What both are called.
        image: File of the image.
        labels: File of the labels.
    """

    name: str
    image: Path
    labels: Path


@dataclass(frozen=True)
class PairedImages:
    """Images in files, each with a mask, read when they are asked for.

    Args:
        pairs: Where they are.
        read_mask: Makes classes of a mask.
        channels: 3 for colour images, 1 for grey ones.
    """

    pairs: tuple[Pair, ...]
    read_mask: ReadMask
    channels: int = 3

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """What an image is called."""
        return self.pairs[index].name

    def read(self, index: int) -> Example:
        """Read an image and its mask.

        Raises:
            BadSample: One of them cannot be used, or they differ in size.
        """
        pair = self.pairs[index]
        image, labels = read_pixels(pair.image, channels=self.channels), self.read_mask(pair.labels)
        check_sizes(pair, image.shape[:-1], labels.shape)
        return Example(image, labels, pair.name)

    def read_labels(self, index: int) -> Int32[np.ndarray, "h w"]:
        """Read a mask.

        Raises:
            BadSample: It cannot be used.
        """
        return self.read_mask(self.pairs[index].labels)


def check_sizes(pair: Pair, image: Sequence[int], labels: Sequence[int]) -> None:
    """See whether labels are of the size of their image.

    Raises:
        BadSample: They are not.
    """
    if tuple(image) != tuple(labels):
        sizes = (" x ".join(map(str, size)) for size in (labels, image))
        raise BadSample(pair.labels, "has {} labels, where its image has {} values".format(*sizes))


def find_pairs(source: str, folder: Path, *, images: str, labels: str) -> tuple[Pair, ...]:
    """Pair files by the part of their names that the wildcards of two patterns stand for.

    Where a pattern ends in a wildcard, the ending of the file's name does not count.

    Args:
        source: Who asks, for the message.
        folder: Where the patterns begin.
        images: Pattern of the images, e.g. ``images/*``.
        labels: Pattern of the labels, e.g. ``masks/*_mask.png``.

    Returns:
        The pairs, sorted by name.

    Raises:
        FileError: There are none, or one has no partner or two.
    """
    found, wanted = (_by_name(source, folder, pattern) for pattern in (images, labels))
    if not found:
        raise FileError(source, folder / images, "matches no file", "check the path, or pass another pattern")
    for one, other, pattern, kinds in (
        (found, wanted, labels, ("images", "labels")),
        (wanted, found, images, ("labels", "images")),
    ):
        alone = sorted(one.keys() - other.keys())
        if alone:
            has, lacks = kinds
            raise FileError(
                source, one[alone[0]],
                f"has no {lacks} under {str(folder / pattern)!r} (number of {has} without {lacks}: {len(alone)})",
                "remove what has no partner, or pass other patterns",
            )  # fmt: skip
    return tuple(Pair(name, found[name], wanted[name]) for name in sorted(found))


def _by_name(source: str, folder: Path, pattern: str) -> dict[str, Path]:
    before, after = re.match(r"([^*?\[]*)", pattern), re.search(r"([^*?\]]*)$", pattern)
    start, end = (before[1] if before else ""), (after[1] if after else "")
    files: dict[str, Path] = {}
    for path in sorted(folder.glob(pattern)):
        if path.name.startswith(".") or not path.is_file():
            continue
        name = path.relative_to(folder).as_posix().removeprefix(start).removesuffix(end)
        if not end:
            name = name.removesuffix(".gz")
            name = name.removesuffix(Path(name).suffix)
        if name in files:
            raise FileError(source, path, f"is called as {files[name].name} is", "pass a pattern with the ending")
        files[name] = path
    return files
