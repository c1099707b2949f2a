"""What a model of images expects: resized, cropped and normalised as in its training."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from ..errors import ArgumentError

#: Mean and standard deviation of each channel of ImageNet's images, between 0 and 1.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a model's input.

    Args:
        resize: Pixels that the shorter side gets, the longer one in proportion; None leaves the image as it is.
        crop: Edge of the square that is cut out of the middle; None for the whole image.
        interpolation: Of the resizing, ``"bilinear"`` or ``"bicubic"``; Pillow's, which averages where it shrinks.
        multiple: Height and width are filled up behind with zeros to a multiple of it, after all else.
        mean: What is subtracted from red, green and blue between 0 and 1.
        std: What they are divided by then.

    Raises:
        ArgumentError: A number is below 1, or the crop is larger than what it is cut out of.
    """

    resize: int | None = None
    crop: int | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    multiple: int = 1
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        sizes = {"resize": self.resize, "crop": self.crop, "multiple": self.multiple}
        for name, value in sizes.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ArgumentError("Preprocessing", name, value, "is no positive integer", "pass one")
        if self.interpolation not in ("bilinear", "bicubic"):
            raise ArgumentError(
                "Preprocessing", "interpolation", self.interpolation, "is not known", "pass 'bilinear' or 'bicubic'"
            )
        if self.crop is not None and (self.resize is None or self.crop > self.resize):
            raise ArgumentError(
                "Preprocessing", "crop", self.crop, f"does not fit into an image resized to {self.resize}",
                "pass a resize of that size or more",
            )  # fmt: skip


def preprocess(image: UInt8[np.ndarray, "h w 3"], how: Preprocessing) -> Float32[np.ndarray, "h2 w2 3"]:
    """Resize, crop, normalise and fill up an image, as torchvision and timm do with an image of Pillow's.

    Args:
        image: Red, green and blue, 0 to 255.
        how: What the model expects.

    Raises:
        ArgumentError: The image is of another shape or dtype.
    """
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8 or not image.size:
        raise ArgumentError(
            "preprocess", "image", f"{image.dtype}{list(image.shape)}", "is no image of 8 bits a channel",
            "pass a uint8 array (H, W, 3) of red, green and blue",
        )  # fmt: skip
    resized = image if how.resize is None else _resized(image, how)
    cropped = resized if how.crop is None else _middle(resized, how.crop)
    scaled = cropped.astype(np.float32) / np.float32(255)
    normalised = (scaled - np.asarray(how.mean, np.float32)) / np.asarray(how.std, np.float32)
    return np.pad(normalised, [*((0, -length % how.multiple) for length in normalised.shape[:2]), (0, 0)])


def size_of(image: UInt8[np.ndarray, "h w 3"], how: Preprocessing) -> tuple[int, int]:
    """Height and width of the preprocessed image, before it is filled up to a multiple."""
    height, width = image.shape[:2]
    if how.crop is not None:
        return how.crop, how.crop
    if how.resize is None:
        return height, width
    shorter = min(height, width)
    # The longer side is rounded down, as in torchvision.
    return how.resize * height // shorter, how.resize * width // shorter


def _resized(image: np.ndarray, how: Preprocessing) -> np.ndarray:
    height, width = size_of(image, replace(how, crop=None))
    method = Image.Resampling[how.interpolation.upper()]
    return np.array(Image.fromarray(image).resize((width, height), method))


def _middle(image: np.ndarray, edge: int) -> np.ndarray:
    top, left = (round((length - edge) / 2) for length in image.shape[:2])
    return image[top : top + edge, left : left + edge]
