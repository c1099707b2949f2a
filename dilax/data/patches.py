"""Random patches of one volume, in an order that depends on the seed alone."""

from typing import Any

import grain
import numpy as np

from ..errors import ArgumentError
from .volumes import Slab, Volume


class CutPatch:
    """Turns an index into a patch at a random place beside the slab, flipped at random.

    Even indices lie before the slab and odd ones behind it, where both sides have room.

    Args:
        volume: Where patches come from.
        held_out: What no patch may touch.
        size: Edge of a patch, in voxels.

    Raises:
        ArgumentError: No patch of this size fits.
    """

    def __init__(self, volume: Volume, *, held_out: Slab, size: int) -> None:
        shape = volume.image.shape
        self._volume, self._axis, self._size = volume, held_out.axis, size
        self._sides = held_out.starts_outside(shape[held_out.axis], size)
        if size < 1 or min(shape) < size or not self._sides:
            raise ArgumentError(
                "patch_dataset", "patch_size", size,
                f"does not fit into a volume of {shape} beside the held-out planes "
                f"{held_out.start} to {held_out.stop - 1} of axis {held_out.axis}",
                f"pass 1 to {largest_patch(shape, held_out)}",
            )  # fmt: skip

    def __call__(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Map an index to ``image``, float32 (P, P, P, 1), and ``labels``, int32 (P, P, P)."""
        starts = [int(rng.integers(n - self._size + 1)) for n in self._volume.image.shape]
        side = self._sides[index % len(self._sides)]
        starts[self._axis] = side[int(rng.integers(len(side)))]
        where = tuple(slice(start, start + self._size) for start in starts)
        flips = tuple(slice(None, None, -1 if flip else 1) for flip in rng.integers(2, size=3))
        return {
            "image": np.ascontiguousarray(self._volume.image[where][flips])[..., None],
            "labels": np.ascontiguousarray(self._volume.labels[where][flips]),
        }


def largest_patch(shape: tuple[int, ...], held_out: Slab) -> int:
    """Edge of the largest cube that fits beside the slab, in voxels."""
    beside = max(held_out.start, shape[held_out.axis] - held_out.stop)
    return min(beside, *shape)


def patch_dataset(
    volume: Volume,
    *,
    held_out: Slab,
    patch_size: int,
    batch_size: int,
    patches_per_epoch: int,
    seed: int,
) -> Any:
    """Endless batches of random patches.

    The n-th batch is a function of the seed and n. The iterator's ``get_state`` and ``set_state``
    are the position.

    Args:
        volume: Where patches come from.
        held_out: What no patch may touch.
        patch_size: Edge of a patch, in voxels.
        batch_size: Patches a batch.
        patches_per_epoch: Indices that are shuffled together.
        seed: Decides places, flips and order.

    Returns:
        A ``grain.IterDataset`` of dictionaries: ``image``, float32 (N, P, P, P, 1), and ``labels``,
        int32 (N, P, P, P).

    Raises:
        ArgumentError: No patch of this size fits beside the slab.
    """
    cut = CutPatch(volume, held_out=held_out, size=patch_size)
    indices = grain.MapDataset.range(patches_per_epoch).seed(seed).shuffle().repeat(None)
    # Repeated before it is cut, so that every epoch has its own places and flips.
    batches = indices.random_map(cut).batch(batch_size)
    return batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=2))
