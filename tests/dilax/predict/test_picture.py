import numpy as np
import pytest
from matplotlib import image as pictures

from dilax.errors import ArgumentError, FileError
from dilax.predict import draw_labels
from dilax.predict.picture import _upright, _upright_point, _upright_spacing

AFFINE = np.array([[0, 0, -3.0, 0], [-2.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])


def test_volumes_are_turned_upright():
    # Axis 0 runs front to back in 2 mm, axis 1 bottom to top in 1 mm, axis 2 right to left in 3 mm.
    volume = np.random.default_rng(0).random((4, 5, 6))
    turned = _upright(volume, AFFINE)
    np.testing.assert_array_equal(turned, volume.transpose(2, 0, 1)[::-1, ::-1])
    assert _upright_spacing(AFFINE) == (3.0, 2.0, 1.0)
    point = (1, 3, 2)
    assert turned[_upright_point(point, volume.shape, AFFINE)] == volume[point]


def test_a_picture_shows_the_labels_in_colour(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.random((20, 24, 22))
    labels = np.zeros(image.shape, int)
    labels[5:15, 5:15, 5:15] = 2
    names = ("background", "one", "two")
    draw_labels(tmp_path / "a.png", image, {"truth": labels}, affine=AFFINE, class_names=names)
    draw_labels(tmp_path / "b.png", image, {"truth": labels * 0}, affine=AFFINE, class_names=names)
    with_labels, without = (pictures.imread(tmp_path / name)[..., :3] for name in ("a.png", "b.png"))
    assert with_labels.shape[0] > 500

    def coloured(picture):
        """Pixels of the panels that are not grey."""
        panels = picture[: int(0.9 * len(picture))]
        return (np.ptp(panels, axis=-1) > 0.1).sum()

    assert coloured(with_labels) > 10_000
    assert coloured(without) == 0


def test_errors(tmp_path):
    image = np.ones((4, 5, 6))
    with pytest.raises(ArgumentError) as caught:
        draw_labels(tmp_path / "a.png", image, {"truth": np.ones((4, 5, 7), int)}, affine=AFFINE, class_names=["a"])
    assert str(caught.value) == (
        "draw_labels: columns='truth' has labels of shape (4, 5, 7), not (4, 5, 6); pass labels of the image."
    )
    with pytest.raises(FileError, match="cannot be written"):
        draw_labels(tmp_path / "no" / "a.png", image, {}, affine=AFFINE, class_names=["a"])
    with pytest.raises(FileError, match="cannot be written"):
        draw_labels(tmp_path / "a.nonsense", image, {}, affine=AFFINE, class_names=["a"])
