import colorsys
import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from dilax.data import Augmentation, Example, Normalization
from dilax.data.augmentation import augment
from dilax.data.colors import change_colors
from dilax.data.cropping import crop_and_resize, linear_resize, nearest_resize
from dilax.errors import ArgumentError

PLAIN = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
NOTHING: dict[str, float] = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}


def _picture(size: tuple[int, ...] = (11, 16), channels: int = 3) -> Example:
    rng = np.random.default_rng(3)
    return Example(
        rng.random((*size, channels)).astype(np.float32), np.arange(np.prod(size), dtype=np.int32).reshape(size)
    )


def _augment(example: Example, seed: int, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    arguments: dict[str, Any] = {
        "crop": (5, 7), "augmentation": Augmentation(flip=False), "normalization": PLAIN, "ignore_index": -1,
    }  # fmt: skip
    return augment(example, np.random.default_rng(seed), **{**arguments, **changes})


@pytest.mark.parametrize("shape", [(7, 12), (6, 9, 5)])
@pytest.mark.parametrize("factor", [0.5, 0.8, 1.7])
def test_resizing_agrees_with_scipy(shape: tuple[int, ...], factor: float) -> None:
    array = np.random.default_rng(0).random((*shape, 2))
    size = tuple(round(length * factor) for length in shape)
    centers = [(np.arange(n) + 0.5) * length / n - 0.5 for n, length in zip(size, shape, strict=True)]
    grid = np.meshgrid(*centers, indexing="ij")
    expected = np.stack(
        [ndimage.map_coordinates(array[..., channel], grid, order=1, mode="nearest") for channel in range(2)], axis=-1
    )
    np.testing.assert_allclose(linear_resize(array.astype(np.float32), size), expected, atol=1e-6)
    codes = np.arange(np.prod(shape)).reshape(shape)
    nearest = codes[np.ix_(*[np.floor(center + 0.5 + 1e-9).astype(int) for center in centers])]
    np.testing.assert_array_equal(nearest_resize(codes, size), nearest)


def test_bytes_stay_bytes_and_are_rounded() -> None:
    array = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    resized = linear_resize(array, (5, 13))
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized, np.rint(linear_resize(array.astype(np.float32), (5, 13))))


def test_crops_come_from_every_place_and_their_labels_with_them() -> None:
    example, corners = _picture(), set()
    for seed in range(900):
        image, labels = _augment(example, seed)
        corner = np.unravel_index(labels[0, 0], (11, 16))
        where = tuple(slice(c, c + n) for c, n in zip(corner, (5, 7), strict=True))
        np.testing.assert_array_equal(labels, example.labels[where])
        np.testing.assert_array_equal(image, example.image[where])
        corners.add(tuple(map(int, corner)))
    assert corners == {(row, column) for row in range(7) for column in range(10)}


def test_outside_the_image_labels_are_ignored_and_the_image_has_its_mean() -> None:
    example, places = _picture((3, 9)), set()
    normalization = Normalization((0.3, 0.4, 0.5), (0.1, 0.2, 0.3))
    for seed in range(60):
        image, labels = _augment(example, seed, crop=(6, 4), normalization=normalization)
        inside = labels != -1
        rows = np.flatnonzero(inside.any(axis=1))
        assert inside[rows].all()
        assert len(rows) == 3
        assert (image[~inside] == 0).all()
        places.add(int(rows[0]))
        flat = example.image.reshape(-1, 3)[labels[inside]]
        np.testing.assert_allclose(image[inside], (flat - [0.3, 0.4, 0.5]) / [0.1, 0.2, 0.3], atol=1e-5)
    assert places == {0, 1, 2, 3}


def test_scaling_grows_and_shrinks_what_is_in_the_picture_and_never_mixes_labels() -> None:
    square = np.zeros((60, 70), np.int32)
    square[20:40, 25:45] = 9
    example = Example(np.repeat(square[..., None] / np.float32(9), 3, axis=-1).astype(np.float32), square)
    areas = []
    for seed in range(120):
        image, labels = _augment(example, seed, crop=(90, 100), augmentation=Augmentation(scale=(0.5, 2), flip=False))
        assert set(np.unique(labels)) <= {-1, 0, 9}
        if (labels == 9).any() and not (labels[[0, -1]] == 9).any() and not (labels[:, [0, -1]] == 9).any():
            areas.append(np.sqrt((labels == 9).sum()) / 20)
            # Linear resizing puts the edge of the image where that of the labels is, to half a pixel.
            assert abs(np.sqrt(image[..., 0].sum()) / 20 - areas[-1]) < 0.06
    assert 0.48 < min(areas) < 0.6
    assert 1.8 < max(areas) < 2.06


def test_what_is_inside_does_not_fade_towards_the_padding() -> None:
    example = Example(np.full((8, 6, 1), 0.75, np.float32), np.zeros((8, 6), np.int32))
    image, labels, inside = crop_and_resize(
        example, np.random.default_rng(0), size=(30, 40), factor=1.9, ignore_index=5
    )
    assert 0 < inside.sum() < inside.size
    np.testing.assert_array_equal(labels, np.where(inside, 0, 5))
    np.testing.assert_allclose(image[inside], 0.75, rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 5)])
def test_images_flip_left_to_right_and_volumes_along_every_axis(shape: tuple[int, ...]) -> None:
    example = dataclasses.replace(_picture(shape, 3))
    seen = set()
    for seed in range(80):
        image, labels = _augment(example, seed, crop=shape, augmentation=Augmentation())
        axes = tuple(axis for axis in range(len(shape)) if np.diff(labels, axis=axis).flat[0] < 0)
        seen.add(axes)
        np.testing.assert_array_equal(labels, np.flip(example.labels, axes))
        np.testing.assert_array_equal(image, np.flip(example.image, axes))
    expected = {(), (1,)} if len(shape) == 2 else {(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)}
    assert seen == expected


def test_one_seed_repeats_and_another_differs() -> None:
    changes = Augmentation((0.5, 2.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    first, again, other = (_augment(_picture(), seed, augmentation=changes)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_bytes_give_what_fractions_give() -> None:
    example = _picture()
    pixels = np.rint(example.image * 255).astype(np.uint8)
    as_bytes, as_fractions = (
        _augment(dataclasses.replace(example, image=image), 0)[0] for image in (pixels, pixels / np.float32(255))
    )
    np.testing.assert_allclose(as_bytes, as_fractions, atol=1e-7)


def _ratio(changed: np.ndarray, original: np.ndarray) -> np.ndarray:
    return changed.astype(np.float64) / original


def test_brightness_contrast_and_saturation_are_what_they_say() -> None:
    image = (_picture((9, 8)).image * 0.2 + 0.4).astype(np.float32)  # far from 0 and 1
    grey = image @ np.array([0.299, 0.587, 0.114])
    factors = []
    for seed in range(50):
        bright = change_colors(image, np.random.default_rng(seed), **{**NOTHING, "brightness": 0.3})
        factor = _ratio(bright, image)
        np.testing.assert_allclose(factor, factor.flat[0], rtol=1e-5)
        factors.append(factor.flat[0])
        flat = change_colors(image, np.random.default_rng(seed), **{**NOTHING, "contrast": 0.3})
        np.testing.assert_allclose(flat - grey.mean(), (image - grey.mean()) * factor.flat[0], atol=1e-5)
        pale = change_colors(image, np.random.default_rng(seed), **{**NOTHING, "saturation": 0.3})
        np.testing.assert_allclose(pale - grey[..., None], (image - grey[..., None]) * factor.flat[0], atol=1e-5)
    assert 0.7 <= min(factors) < 0.75
    assert 1.25 < max(factors) <= 1.3


def test_hue_turns_by_the_angle_drawn_and_greys_stay() -> None:
    for seed in range(20):
        share = np.random.default_rng(seed).uniform(-0.25, 0.25)
        red = np.array([[[0.6, 0.4, 0.4], [0.5, 0.5, 0.5]]], np.float32)
        turned = change_colors(red, np.random.default_rng(seed), **{**NOTHING, "hue": 0.25})
        np.testing.assert_allclose(turned[0, 1], 0.5, atol=1e-6)
        # colorsys knows a hexagon where this is a circle: both agree to a fiftieth of a turn.
        difference = (colorsys.rgb_to_hsv(*turned[0, 0])[0] - share + 0.5) % 1 - 0.5
        assert abs(difference) < 0.02


def test_values_stay_within_their_range() -> None:
    strong = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}
    for seed in range(20):
        changed = change_colors(_picture().image, np.random.default_rng(seed), **strong)
        assert changed.dtype == np.float32
        assert changed.min() >= 0
        assert changed.max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": (0.0, 1.0)},
         "Augmentation: scale=(0.0, 1.0) is no pair of rising positive factors; pass e.g. (0.5, 2.0)."),
        ({"scale": (2.0, 1.0)},
         "Augmentation: scale=(2.0, 1.0) is no pair of rising positive factors; pass e.g. (0.5, 2.0)."),
        ({"brightness": 1.5}, "Augmentation: brightness=1.5 is outside 0 to 1; pass e.g. 0.1."),
        ({"hue": -0.1}, "Augmentation: hue=-0.1 is outside 0 to 0.5; pass e.g. 0.1."),
    ],
)  # fmt: skip
def test_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Augmentation(**arguments)
    assert str(caught.value) == message
