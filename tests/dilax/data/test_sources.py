import numpy as np
import pytest

from dilax.data import SOURCES, load_source, make_shapes
from dilax.errors import ArgumentError


def test_shapes_depend_on_the_seed_alone() -> None:
    one, same, other = make_shapes(), make_shapes(), make_shapes(seed=1)
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert not np.array_equal(one.labels, other.labels)


def test_shapes_have_every_class_everywhere_and_brightness_tells_them_apart() -> None:
    source = load_source("shapes")
    volume, slab = source.volume, source.held_out
    for part in (slice(0, slab.start), slice(slab.start, slab.stop), slice(slab.stop, None)):
        assert set(np.unique(volume.labels[:, part])) == {0, 1, 2}
    means = [volume.image[volume.labels == label].mean() for label in range(3)]
    assert means[0] + 0.2 < means[1]
    assert means[1] + 0.2 < means[2]


def test_every_source_leaves_room_for_patches_on_both_sides() -> None:
    pytest.importorskip("nilearn", reason="nilearn carries one of the volumes")
    for name in SOURCES:
        source = load_source(name)
        length = source.volume.image.shape[source.held_out.axis]
        assert len(source.held_out.starts_outside(length, 8)) == 2


def test_an_unknown_source() -> None:
    with pytest.raises(ArgumentError) as caught:
        load_source("mni125")
    assert str(caught.value) == (
        "load_source: name='mni125' is no data source (did you mean 'mni152'?); pass one of mni152, shapes."
    )
