import numpy as np
import pytest
from matplotlib import image as pictures

from dilax.errors import ArgumentError, FileError
from dilax.predict import draw_overlay, overlay

IMAGE = np.full((40, 60, 3), 100, np.uint8)
NAMES = ("background", "one", "two", "three")


def test_labels_lie_over_the_right_panel_alone(tmp_path):
    labels = np.zeros((40, 60), int)
    labels[10:30, 20:40] = 2
    draw_overlay(tmp_path / "a.png", IMAGE, labels, class_names=NAMES, title="photo")
    picture = pictures.imread(tmp_path / "a.png")[..., :3]
    height, width = picture.shape[:2]
    assert width == round(10.1 * 110)
    plain, green = np.array([100, 100, 100]) / 255, 0.6 * np.array([0, 128, 0]) / 255 + 0.4 * 100 / 255
    middle = picture[height // 2]
    np.testing.assert_allclose(middle[width // 4], plain, atol=1 / 255)
    np.testing.assert_allclose(middle[3 * width // 4], green, atol=1 / 255)
    np.testing.assert_allclose(middle[width // 2 + 60], plain, atol=1 / 255)


def test_a_small_share_is_not_called_nothing(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(overlay, "save_figure", lambda function, figure, path: figures.append(figure))
    labels = np.zeros((40, 60), int)
    labels[:20], labels[20, :11], labels[30, :12] = 2, 1, 3  # of 2400
    draw_overlay(tmp_path / "a.png", IMAGE, labels, class_names=NAMES)
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["two 50%", "three 0%", "one <1%"]


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(ArgumentError) as caught:
        draw_overlay(tmp_path / "a.png", IMAGE, np.zeros((60, 40), int), class_names=NAMES)
    assert str(caught.value) == (
        "draw_overlay: labels=(60, 40) is not the shape of the image, (40, 60); pass labels of the image."
    )
    with pytest.raises(FileError) as caught:
        draw_overlay(tmp_path / "a.xyz", IMAGE, np.zeros((40, 60), int), class_names=NAMES)
    assert str(caught.value).startswith(f"draw_overlay: {str(tmp_path / 'a.xyz')!r} cannot be written (Format 'xyz'")
