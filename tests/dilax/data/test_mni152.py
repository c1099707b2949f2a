import sys

import numpy as np
import pytest

from dilax.data import HELD_OUT, Volume, load_mni152
from dilax.errors import MissingDependency


@pytest.fixture(scope="module")
def volume() -> Volume:
    pytest.importorskip("nilearn", reason="nilearn carries the volume")
    return load_mni152()


def test_shapes_and_ranges(volume: Volume) -> None:
    assert volume.image.shape == volume.labels.shape == (99, 117, 95)
    assert volume.image.dtype == np.float32
    assert volume.labels.dtype == np.int32
    assert (volume.image.min(), volume.image.max()) == (0, 1)
    assert volume.class_names == ("background", "grey matter", "white matter")
    np.testing.assert_array_equal(np.abs(np.diag(volume.affine)), [2, 2, 2, 1])


def test_a_label_is_the_tissue_that_exceeds_the_other_and_the_rest(volume: Volume) -> None:
    from nilearn import datasets

    grey = datasets.load_mni152_gm_template(resolution=2).get_fdata()
    white = datasets.load_mni152_wm_template(resolution=2).get_fdata()
    rest = 1 - grey - white
    # Rounding decides near a tie; leave those few voxels out.
    parts = np.sort([rest, grey, white], axis=0)
    clear = parts[2] - parts[1] > 1e-6
    assert clear.mean() > 0.999
    truth = np.where(white > grey, np.where(white > rest, 2, 0), np.where(grey > rest, 1, 0))
    np.testing.assert_array_equal(volume.labels[clear], truth[clear])


def test_white_matter_is_brighter_than_grey_and_grey_than_background(volume: Volume) -> None:
    means = [volume.image[volume.labels == label].mean() for label in range(3)]
    assert means == sorted(means)


def test_every_class_is_on_both_sides_and_in_the_held_out_planes(volume: Volume) -> None:
    for part in (slice(0, HELD_OUT.start), slice(HELD_OUT.stop, None)):
        assert set(np.unique(volume.labels[:, part])) == {0, 1, 2}
    assert set(np.unique(volume.labels[HELD_OUT.index])) == {0, 1, 2}


def test_without_nilearn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(MissingDependency) as caught:
        load_mni152()
    assert str(caught.value) == (
        "load_mni152: the package 'nilearn' is not installed; install it with pip install 'dilax-nn[demo]'."
    )
