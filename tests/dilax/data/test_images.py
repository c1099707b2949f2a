"""Photographs, label images, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from dilax.data import Preprocessing, label_colours, preprocess, read_image, write_label_image
from dilax.errors import ArgumentError, FileError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def test_an_image_is_read_in_three_channels(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read_image(tmp_path / "colour.png"), PIXELS)
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "gray.png")
    np.testing.assert_array_equal(read_image(tmp_path / "gray.png"), np.repeat(PIXELS[..., :1], 3, axis=-1))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    Image.fromarray(PIXELS).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), np.rot90(PIXELS, -1))


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("absent.png", "does not exist; check the path."),
        ("folder", "is a directory; pass e.g. photo.jpg."),
        ("text.jpg", "is no image that Pillow reads; pass e.g. photo.jpg."),
        ("cut.png", "is no image that Pillow reads; pass e.g. photo.jpg."),
        ("deep.png", "has pixels of the kind 'I;16'; pass an image of 8 bits a channel."),
    ],
)
def test_what_is_no_image(name, rest, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.jpg").write_text("hello")
    Image.fromarray(PIXELS).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    Image.fromarray(PIXELS[..., 0].astype(np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(FileError) as caught:
        read_image(tmp_path / name)
    assert str(caught.value) == f"read_image: {str(tmp_path / name)!r} {rest}"


def test_labels_are_an_indexed_image_in_vocs_colours(tmp_path):
    labels = np.random.default_rng(1).integers(0, 256, (6, 9)).astype(np.int32)
    write_label_image(tmp_path / "labels.png", labels)
    with Image.open(tmp_path / "labels.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), labels)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), label_colours()[labels])
    # From the table that PASCAL VOC publishes.
    published = {9: (192, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert {index: tuple(label_colours()[index].tolist()) for index in published} == published


def test_what_is_refused(tmp_path):
    cases = [
        (
            lambda: write_label_image(tmp_path / "l.png", np.array([[0, 256]])),
            "write_label_image: labels=(1, 2) is empty or has labels that are not from 0 to 255; pass labels of at "
            "most 256 classes.",
        ),
        (
            lambda: Preprocessing(resize=200, crop=224),
            "Preprocessing: crop=224 does not fit into an image resized to 200; pass a resize of that size or more.",
        ),
        (lambda: Preprocessing(resize=0), "Preprocessing: resize=0 is no positive integer; pass one."),
        (
            lambda: Preprocessing(interpolation="nearest"),
            "Preprocessing: interpolation='nearest' is not known; pass 'bilinear' or 'bicubic'.",
        ),
        (
            lambda: preprocess(PIXELS / 255, Preprocessing()),
            "preprocess: image='float64[5, 7, 3]' is no image of 8 bits a channel; "
            "pass a uint8 array (H, W, 3) of red, green and blue.",
        ),
    ]
    for make, message in cases:
        with pytest.raises(ArgumentError) as caught:
            make()
        assert str(caught.value) == message


def test_zeros_fill_up_to_a_multiple():
    filled = preprocess(PIXELS, Preprocessing(multiple=4))
    assert filled.shape == (8, 8, 3)
    np.testing.assert_array_equal(filled[:5, :7], preprocess(PIXELS, Preprocessing()))
    assert not filled[5:].any()
    assert not filled[:, 7:].any()
