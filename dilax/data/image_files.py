"""Files of images and masks as arrays."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer, Shaped

from ..errors import BadSample

_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def read_pixels(path: Path, *, channels: int) -> Shaped[np.ndarray, "h w c"]:
    """Read a photograph or a grey image.

    Args:
        path: A file that Pillow reads, such as png, jpg or tif.
        channels: 3 for red, green and blue, 1 for grey; what the file has is converted.

    Returns:
        uint8, or uint16 where the file has 16 bits.

    Raises:
        BadSample: The file is missing, damaged, of another kind, or holds several images or fractions.
    """
    image = _open(path)
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image)
        if values.size and not 0 <= values.min() <= values.max() < 2**16:
            raise BadSample(path, "holds values outside 0 to 65535")
        return np.repeat(values.astype(np.uint16)[..., None], channels, axis=-1)
    if image.mode == "F":
        raise BadSample(path, "holds fractions, and no values of 8 or 16 bits")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    array = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return array if channels == 3 else array[..., None]


def read_index_mask(path: Path) -> Integer[np.ndarray, "h w"]:
    """Read a mask whose values are classes: grey, or with a palette, whose colours do not matter.

    Raises:
        BadSample: The file cannot be read, or holds colours.
    """
    image = _open(path)
    if image.mode not in ("1", "L", "P", *_SIXTEEN_BIT):
        raise BadSample(path, f"holds colours ({image.mode}), and no classes; say the colour of each class")
    values = np.asarray(image)
    return values.astype(np.uint8) if image.mode == "1" else values


def read_color_mask(path: Path) -> Integer[np.ndarray, "h w"]:
    """Read a mask whose colours stand for classes, as 65536 red + 256 green + blue.

    Raises:
        BadSample: The file cannot be read, or holds no colours of 8 bits.
    """
    pixels = read_pixels(path, channels=3)
    if pixels.dtype != np.uint8:
        raise BadSample(path, "holds values of 16 bits, and no colours")
    colors = pixels.astype(np.int32)
    return (colors[..., 0] << 16) | (colors[..., 1] << 8) | colors[..., 2]


def _open(path: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        if path.stat().st_size == 0:
            raise BadSample(path, "has no bytes")
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
            image.load()
    except BadSample:
        raise
    except FileNotFoundError as error:
        raise BadSample(path, "does not exist") from error
    except UnidentifiedImageError as error:
        raise BadSample(path, "is no image of a known kind") from error
    except Exception as error:  # whatever the damaged part provokes: OSError, SyntaxError, struct.error, …
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadSample(path, f"cannot be read as an image ({reason})") from error
    if frames > 1:
        raise BadSample(path, f"holds {frames} images, and not one")
    return image
