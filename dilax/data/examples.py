"""What a labelled image or volume is, and where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Int32, Shaped


@dataclass(frozen=True, eq=False)
class Example:
    """An image or a volume with a class for each of its pixels or voxels.

    Args:
        image: Channels last, (H, W, C) or (D, H, W, C): float32 in [0, 1], or uint8 or uint16 over their whole range.
        labels: One class a pixel or voxel, or the source's ignore index.
        name: What a report calls it.
        where: The part that an evaluation scores; everything if None. Labels elsewhere are the ignore index.
    """

    image: Shaped[np.ndarray, "*spatial c"]
    labels: Int32[np.ndarray, "*spatial"]
    name: str = ""
    where: tuple[slice, ...] | None = None


class Examples(Protocol):
    """Labelled images or volumes, each read when it is asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def name(self, index: int) -> str:
        """What a report calls one of them."""

    def read(self, index: int) -> Example:
        """Read one of them.

        Raises:
            BadSample: It cannot be used.
        """

    def read_labels(self, index: int) -> Int32[np.ndarray, "*spatial"]:
        """Read the labels alone.

        Raises:
            BadSample: They cannot be used.
        """


class InMemory:
    """Examples that are there already.

    Args:
        examples: All of them.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = tuple(examples)

    def __len__(self) -> int:
        return len(self._examples)

    def name(self, index: int) -> str:
        """What a report calls one of them."""
        return self._examples[index].name

    def read(self, index: int) -> Example:
        """One of them."""
        return self._examples[index]

    def read_labels(self, index: int) -> Int32[np.ndarray, "*spatial"]:
        """The labels of one of them."""
        return self._examples[index].labels


def as_unit(image: Shaped[np.ndarray, "*spatial c"]) -> Shaped[np.ndarray, "*spatial c"]:
    """The image in float32, integers divided by the largest of their dtype."""
    if image.dtype.kind == "u":
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return image.astype(np.float32, copy=False)
