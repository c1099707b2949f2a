"""Random changes of a sample that leave its meaning: where it is cut, its size, its side, its colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from ..errors import ArgumentError
from .colors import change_colors
from .cropping import crop_and_resize
from .examples import Example, as_unit


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training sample.

    Args:
        scale: Least and greatest factor of size, drawn evenly; (0.5, 2.0) is usual for images.
        flip: Mirror half of the images left to right, and volumes along each axis by itself.
        brightness: Greatest change of the factor of all values, from 1.
        contrast: Greatest change of the factor of the distance to the mean, from 1.
        saturation: Greatest change of the factor of the distance to grey, from 1; colour images only.
        hue: Greatest turn of the hue, as a share of the whole circle; colour images only.

    Raises:
        ArgumentError: A value is out of range.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    flip: bool = True
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high < float("inf"):
            raise ArgumentError(
                "Augmentation", "scale", self.scale, "is no pair of rising positive factors", "pass e.g. (0.5, 2.0)"
            )
        for name, top in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", 0.5)):
            if not 0 <= getattr(self, name) <= top:
                raise ArgumentError(
                    "Augmentation", name, getattr(self, name), f"is outside 0 to {top:g}", "pass e.g. 0.1"
                )

    @property
    def needs_color(self) -> bool:
        """Whether it changes what grey images do not have."""
        return self.saturation > 0 or self.hue > 0


@dataclass(frozen=True)
class Normalization:
    """The mean and the standard deviation of each channel over a data set, for values in [0, 1].

    Args:
        mean: Is subtracted.
        std: Divides what is left.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Float32[np.ndarray, "*spatial c"]) -> Float32[np.ndarray, "*spatial c"]:
        """Normalise an image in [0, 1]."""
        scaled: np.ndarray = (image - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return scaled


def augment(
    example: Example,
    rng: np.random.Generator,
    *,
    crop: Sequence[int],
    augmentation: Augmentation,
    normalization: Normalization,
    ignore_index: int,
) -> tuple[Float32[np.ndarray, "*spatial c"], Int32[np.ndarray, "*spatial"]]:
    """Cut, resize, mirror, recolour and normalise; labels are moved along and never mixed.

    Args:
        example: What to change.
        rng: Draws the changes.
        crop: Pixels or voxels of the result along each axis.
        augmentation: What may happen.
        normalization: What makes the values of the result.
        ignore_index: The label of what lies outside the image; the image has its mean there.
    """
    factor = rng.uniform(*augmentation.scale)
    image, labels, inside = crop_and_resize(example, rng, size=crop, factor=factor, ignore_index=ignore_index)
    if augmentation.flip:
        axes = range(labels.ndim) if labels.ndim == 3 else (labels.ndim - 1,)
        turned = tuple(axis for axis in axes if rng.integers(2))
        image, labels, inside = (np.flip(array, turned) for array in (image, labels, inside))
    image = change_colors(
        as_unit(image), rng, brightness=augmentation.brightness, contrast=augmentation.contrast,
        saturation=augmentation.saturation, hue=augmentation.hue,
    )  # fmt: skip
    image = normalization(image) * inside[..., None]
    return np.ascontiguousarray(image), np.ascontiguousarray(labels)
