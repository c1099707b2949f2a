import numpy as np
import pytest

from dilax.data import Slab, Volume
from dilax.errors import ArgumentError


def test_the_index_of_a_slab_selects_exactly_its_planes() -> None:
    planes = np.arange(3 * 7 * 4).reshape(3, 7, 4)
    np.testing.assert_array_equal(planes[Slab(1, 2, 5).index], planes[:, 2:5, :])
    np.testing.assert_array_equal(planes[Slab(2, 1, 2).index], planes[:, :, 1:2])


def test_the_sides_of_a_slab_are_all_planes_but_its_own() -> None:
    planes = np.arange(3 * 7 * 4).reshape(3, 7, 4)
    (before, name_before), (behind, name_behind) = Slab(1, 2, 5).sides
    np.testing.assert_array_equal(planes[before], planes[:, :2])
    np.testing.assert_array_equal(planes[behind], planes[:, 5:])
    assert (name_before, name_behind) == ("before the slab", "behind the slab")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 0, 1), "Slab: axis=3 is no axis of a volume; pass 0 to 2."),
        ((0, 5, 5), "Slab: (start, stop)=(5, 5) is an empty range; pass 0 <= start < stop."),
    ],
)
def test_bad_slabs(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Slab(*arguments)
    assert str(caught.value) == message


def test_bad_volumes() -> None:
    image, affine = np.zeros((2, 3, 4), np.float32), np.eye(4)
    with pytest.raises(ArgumentError) as caught:
        Volume(image, np.zeros((2, 4, 3), np.int32), affine, ("a", "b"))
    assert str(caught.value) == (
        "Volume: labels.shape=(2, 4, 3) is not the image's shape (2, 3, 4); pass one label a voxel."
    )
    with pytest.raises(ArgumentError) as caught:
        Volume(image, np.full((2, 3, 4), 2, np.int32), affine, ("a", "b"))
    assert str(caught.value) == ("Volume: labels=(2, 2) is a range outside 0 to 1; name every class in class_names.")
