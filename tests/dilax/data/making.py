"""Small data sets on the disk."""

from pathlib import Path

import numpy as np
from PIL import Image

#: Any colours; only that they differ matters.
PALETTE = [value for index in range(256) for value in (index * 37 % 256, index * 91 % 256, index * 53 % 256)]


def save_image(path: Path, size: tuple[int, int], *, seed: int) -> np.ndarray:
    """Write noise of three channels, which png keeps and jpg nearly."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def save_mask(path: Path, labels: np.ndarray, *, palette: bool = False) -> None:
    """Write values as grey or, with any palette, as indices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels.astype(np.uint8))
    if palette:
        image.putpalette(PALETTE)
    image.save(path)


def make_folder(folder: Path, *, count: int = 8, classes: int = 3) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images and masks of different sizes; what is in them, by name."""
    made = {}
    for number in range(count):
        size = (10 + number, 17 - number)
        labels = np.random.default_rng(100 + number).integers(0, classes, size)
        labels[0, 0] = 255
        save_mask(folder / "masks" / f"n{number}.png", labels, palette=number % 2 == 1)
        made[f"n{number}"] = (save_image(folder / "images" / f"n{number}.png", size, seed=number), labels)
    return made
