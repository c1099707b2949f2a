"""A made-up volume of balls and boxes: small, labelled, and there without any package."""

import numpy as np

from .preprocessing import scale_quantiles
from .volumes import Slab, Volume

CLASS_NAMES = ("background", "ball", "box")

#: Planes kept for evaluation.
HELD_OUT = Slab(axis=1, start=16, stop=24)


def make_shapes(shape: tuple[int, int, int] = (28, 40, 24), *, seed: int = 0) -> Volume:
    """Draw bright boxes and half-bright balls on a dark ground, with noise.

    Args:
        shape: Voxels along each axis.
        seed: Decides places, sizes and noise.

    Returns:
        A volume of three classes, of which every plane of the second axis that is a multiple of 8
        has a ball and a box near it.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    where = np.moveaxis(np.indices(shape), 0, -1)
    for plane in range(0, shape[1], 8):
        for label in (1, 2):
            center = rng.integers(shape)
            center[1] = plane + int(rng.integers(8))
            offset = np.abs(where - center)
            size = rng.uniform(3, 5)
            inside = np.linalg.norm(offset, axis=-1) if label == 1 else offset.max(axis=-1)
            labels[inside < size] = label
    image = labels / 2 + rng.normal(0, 0.1, shape)
    return Volume(scale_quantiles(image), labels, np.eye(4), CLASS_NAMES)
