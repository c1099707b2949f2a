from typing import Any

import numpy as np
import pytest

from dilax.data import HELD_OUT, Slab, Volume, patch_dataset
from dilax.data.patches import CutPatch
from dilax.errors import ArgumentError

SHAPE = (9, 20, 8)
SLAB = Slab(axis=1, start=7, stop=13)


def _numbered(shape: tuple[int, int, int] = SHAPE) -> Volume:
    # Every voxel has its own value, so a patch tells where it was cut.
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    labels = image.astype(np.int32) % 3
    return Volume(image, labels, np.eye(4), ("a", "b", "c"))


def _dataset(volume: Volume, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "held_out": SLAB, "patch_size": 5, "batch_size": 3, "patches_per_epoch": 12, "seed": 4,
    }  # fmt: skip
    return patch_dataset(volume, **{**arguments, **changes})


def _take(iterator: Any, count: int) -> list[dict[str, np.ndarray]]:
    return [next(iterator) for _ in range(count)]


def _same(left: list[dict[str, np.ndarray]], right: list[dict[str, np.ndarray]]) -> bool:
    return len(left) == len(right) and all(
        np.array_equal(a[key], b[key]) for a, b in zip(left, right, strict=True) for key in a
    )


def test_batches_have_the_stated_shapes() -> None:
    batch = next(iter(_dataset(_numbered())))
    assert {key: (value.shape, value.dtype.name) for key, value in batch.items()} == {
        "image": ((3, 5, 5, 5, 1), "float32"),
        "labels": ((3, 5, 5, 5), "int32"),
    }


def test_patches_are_flipped_cubes_of_the_volume_with_their_labels() -> None:
    volume = _numbered()
    flipped = set()
    for batch in _take(iter(_dataset(volume)), 30):
        for image, labels in zip(batch["image"][..., 0], batch["labels"], strict=True):
            corner = np.array(np.unravel_index(int(image.min()), SHAPE))
            cube = volume.image[tuple(slice(c, c + 5) for c in corner)]
            signs = [np.sign(np.diff(image, axis=axis)).flat[0] for axis in range(3)]
            turned = cube[tuple(slice(None, None, int(sign)) for sign in signs)]
            np.testing.assert_array_equal(image, turned)
            np.testing.assert_array_equal(labels, image.astype(np.int32) % 3)
            flipped.add(tuple(signs))
    assert len(flipped) == 8


def test_no_patch_ever_meets_the_held_out_planes() -> None:
    volume = _numbered((99, 117, 95))
    held_out = set(range(HELD_OUT.start, HELD_OUT.stop))
    for size in (1, 8, 31, 32, 41, 44):
        cut = CutPatch(volume, held_out=HELD_OUT, size=size)
        starts = [start for side in cut._sides for start in side]
        assert starts
        for start in starts:
            assert start >= 0
            assert start + size <= 117
            assert not held_out & set(range(start, start + size))


def test_drawn_patches_come_from_every_allowed_place_and_no_other() -> None:
    volume, seen = _numbered(), set()
    for batch in _take(iter(_dataset(volume, batch_size=16)), 60):
        planes = np.unravel_index(batch["image"].astype(int), SHAPE)[1]
        assert not ((planes >= SLAB.start) & (planes < SLAB.stop)).any()
        seen |= {tuple(np.unique(patch)) for patch in planes}
    assert seen == {tuple(range(start, start + 5)) for start in (0, 1, 2, 13, 14, 15)}


def test_epochs_differ_and_seeds_differ_and_one_seed_repeats() -> None:
    volume = _numbered()
    first = _take(iter(_dataset(volume)), 8)
    assert _same(first, _take(iter(_dataset(volume)), 8))
    assert not _same(first[:4], first[4:])
    assert not _same(first, _take(iter(_dataset(volume, seed=5)), 8))


def test_the_order_goes_on_from_every_position() -> None:
    dataset, states, batches = _dataset(_numbered()), [], []
    iterator = iter(dataset)
    for _ in range(10):
        states.append(iterator.get_state())
        batches.append(next(iterator))
    for done, state in enumerate(states):
        resumed = iter(dataset)
        resumed.set_state(state)
        assert _same(batches[done:], _take(resumed, 10 - done))


@pytest.mark.parametrize("size", [0, 8])
def test_a_patch_that_does_not_fit(size: int) -> None:
    with pytest.raises(ArgumentError) as caught:
        _dataset(_numbered(), patch_size=size)
    assert str(caught.value) == (
        f"patch_dataset: patch_size={size} does not fit into a volume of (9, 20, 8) beside the "
        "held-out planes 7 to 12 of axis 1; pass 1 to 7."
    )
