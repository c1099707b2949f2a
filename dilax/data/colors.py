"""Random changes of brightness and colour."""

import numpy as np
from jaxtyping import Float32

# How bright each of red, green and blue looks (ITU-R BT.601).
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def change_colors(
    image: Float32[np.ndarray, "*spatial c"],
    rng: np.random.Generator,
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> Float32[np.ndarray, "*spatial c"]:
    """Change brightness, contrast, saturation and hue, in this order, and stay within [0, 1].

    Each factor is drawn evenly from 1 minus the argument to 1 plus it, and the turn of the hue from minus the argument
    to plus it.

    Args:
        image: Values in [0, 1]; three channels are red, green and blue.
        rng: Draws the changes.
        brightness: Of the factor of all values.
        contrast: Of the factor of the distance to the mean brightness.
        saturation: Of the factor of the distance to the grey of a pixel; colour images only.
        hue: Share of the whole circle; colour images only.
    """
    if brightness:
        image = _clip(image * _factor(rng, brightness))
    if contrast:
        mean = _grey(image).mean(dtype=np.float64)
        image = _clip(np.float32(mean) + (image - np.float32(mean)) * _factor(rng, contrast))
    if saturation:
        grey = _grey(image)
        image = _clip(grey + (image - grey) * _factor(rng, saturation))
    if hue:
        image = _clip(image @ _turn(rng.uniform(-hue, hue)))
    return image


def _factor(rng: np.random.Generator, reach: float) -> np.float32:
    return np.float32(rng.uniform(1 - reach, 1 + reach))


def _grey(image: np.ndarray) -> np.ndarray:
    """The brightness, with one channel."""
    return image if image.shape[-1] == 1 else (image @ _GREY)[..., None]


def _turn(share: float) -> np.ndarray:
    """What turns the hue of red, green and blue: a rotation about the axis of greys.

    The brightness stays only nearly the same, which is the price of one small matrix for all pixels.
    """
    angle = 2 * np.pi * share
    axis = np.full(3, 3**-0.5)
    cross = np.cross(axis, np.eye(3))
    turned = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(axis, axis)
    return turned.astype(np.float32)


def _clip(image: np.ndarray) -> np.ndarray:
    clipped: np.ndarray = np.clip(image, 0, 1)
    return clipped
