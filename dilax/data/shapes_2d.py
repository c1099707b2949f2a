"""Made-up pictures of discs, squares and crosses: small, labelled, and there without any file."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from .examples import Example

CLASS_NAMES = ("background", "disc", "square", "cross")

#: Pixels of an image, in turn: two sizes, so that nothing relies on one.
SIZES = ((48, 64), (56, 40))

# Red, green and blue of each class before the noise.
_COLORS = np.array([(0.25, 0.25, 0.3), (0.8, 0.35, 0.3), (0.3, 0.7, 0.35), (0.35, 0.4, 0.85)])


@dataclass(frozen=True)
class ShapePictures:
    """Pictures that are drawn when they are asked for; each depends on the seed and its number alone.

    Args:
        count: How many there are.
        seed: Decides places, sizes and noise.
        first: Number of the first, so that two sets of one seed have nothing in common.
    """

    count: int
    seed: int = 0
    first: int = 0

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        """The number of a picture, as a name."""
        return f"picture {self.first + index}"

    def read(self, index: int) -> Example:
        """Draw a picture of three channels."""
        rng = np.random.default_rng([self.seed, self.first + index])
        size = SIZES[(self.first + index) % len(SIZES)]
        labels = np.zeros(size, np.int32)
        for label in rng.permutation([1, 2, 3, *rng.integers(1, 4, 2)]):
            labels[_inside(int(label), size, rng)] = label
        tint = rng.normal(0, 0.05, (len(CLASS_NAMES), 3))
        image = (_COLORS + tint)[labels] + rng.normal(0, 0.1, (*size, 3))
        return Example(image.clip(0, 1).astype(np.float32), labels, self.name(index))

    def read_labels(self, index: int) -> Int32[np.ndarray, "h w"]:
        """The labels of a picture."""
        return self.read(index).labels


def _inside(label: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Where a disc, a square or a cross at a random place lies."""
    down, right = (np.abs(np.arange(length) - rng.integers(length)) for length in size)
    radius = int(rng.integers(5, 10))
    if label == 1:
        return np.add.outer(down**2, right**2) <= radius**2
    if label == 2:
        return np.maximum.outer(down, right) < radius
    return (np.minimum.outer(down, right) < radius / 3) & (np.maximum.outer(down, right) < radius)
