"""What a labelled volume is, and which part of it no training patch may touch."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32

from ..errors import ArgumentError


@dataclass(frozen=True, eq=False)
class Volume:
    """A labelled volume.

    Args:
        image: Intensities in [0, 1].
        labels: The class of each voxel, an index into ``class_names``.
        affine: Voxel indices to millimetres.
        class_names: One name a class.

    Raises:
        ArgumentError: Image and labels differ in shape, or a label has no name.
    """

    image: Float32[np.ndarray, "d h w"]
    labels: Int32[np.ndarray, "d h w"]
    affine: Float64[np.ndarray, "4 4"]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.image.shape != self.labels.shape:
            raise ArgumentError(
                "Volume", "labels.shape", self.labels.shape,
                f"is not the image's shape {self.image.shape}", "pass one label a voxel",
            )  # fmt: skip
        if self.labels.size and not 0 <= self.labels.min() <= self.labels.max() < self.num_classes:
            raise ArgumentError(
                "Volume", "labels", (int(self.labels.min()), int(self.labels.max())),
                f"is a range outside 0 to {self.num_classes - 1}",
                "name every class in class_names",
            )  # fmt: skip

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


@dataclass(frozen=True)
class Slab:
    """All voxels whose index along one axis lies in ``[start, stop)``.

    Args:
        axis: 0, 1 or 2.
        start: First index inside.
        stop: First index behind.

    Raises:
        ArgumentError: The axis is unknown or the slab is empty.
    """

    axis: int
    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise ArgumentError("Slab", "axis", self.axis, "is no axis of a volume", "pass 0 to 2")
        if not 0 <= self.start < self.stop:
            raise ArgumentError(
                "Slab", "(start, stop)", (self.start, self.stop), "is an empty range",
                "pass 0 <= start < stop",
            )  # fmt: skip

    @property
    def index(self) -> tuple[slice, slice, slice]:
        """The slab as an index of a volume."""
        where = [slice(None)] * 3
        where[self.axis] = slice(self.start, self.stop)
        return where[0], where[1], where[2]

    @property
    def sides(self) -> tuple[tuple[tuple[slice, ...], str], ...]:
        """What lies before the slab and what lies behind it, as indices of a volume, each with a name."""
        before, behind = [slice(None)] * 3, [slice(None)] * 3
        before[self.axis], behind[self.axis] = slice(0, self.start), slice(self.stop, None)
        return (tuple(before), "before the slab"), (tuple(behind), "behind the slab")
