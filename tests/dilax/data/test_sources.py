from typing import Any

import numpy as np
import pytest

from dilax.data import HELD_OUT, load_source, make_shapes, source_options
from dilax.errors import ArgumentError


def test_shapes_depend_on_the_seed_alone() -> None:
    one, same, other = make_shapes(), make_shapes(), make_shapes(seed=1)
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert not np.array_equal(one.labels, other.labels)


def test_shapes_have_every_class_everywhere_and_brightness_tells_them_apart() -> None:
    volume = make_shapes()
    for part in (slice(0, 16), slice(16, 24), slice(24, None)):
        assert set(np.unique(volume.labels[:, part])) == {0, 1, 2}
    means = [volume.image[volume.labels == label].mean() for label in range(3)]
    assert means[0] + 0.2 < means[1]
    assert means[1] + 0.2 < means[2]


@pytest.mark.parametrize(("name", "planes"), [("shapes", (16, 24)), ("mni152", (HELD_OUT.start, HELD_OUT.stop))])
def test_a_volume_is_learned_from_beside_the_slab_and_scored_in_it(name: str, planes: tuple[int, int]) -> None:
    if name == "mni152":
        pytest.importorskip("nilearn", reason="nilearn carries the volume")
    source = load_source(name)
    [whole] = source.evaluation()
    sides = [source.training_examples.read(index) for index in range(len(source.training_examples))]
    np.testing.assert_array_equal(sides[0].image, whole.image[:, : planes[0]])
    np.testing.assert_array_equal(sides[1].image, whole.image[:, planes[1] :])
    assert whole.where == (slice(None), slice(*planes), slice(None))
    scored = np.zeros(whole.labels.shape, bool)
    scored[:, planes[0] : planes[1]] = True
    np.testing.assert_array_equal(whole.labels != source.ignore_index, scored)
    assert set(np.unique(whole.labels[scored])) == {0, 1, 2}
    assert (source.spatial_rank, source.in_channels, source.num_classes) == (3, 1, 3)
    assert source.batches_per_epoch(3) == 54
    assert source.largest_crop == tuple(np.max([side.labels.shape for side in sides], axis=0))


def test_pictures_have_every_class_two_sizes_and_nothing_in_common() -> None:
    source = load_source("shapes_2d", {"training": 6, "evaluation": 4, "seed": 3})
    pictures = [source.training_examples.read(index) for index in range(6)] + list(source.evaluation())
    assert [picture.name for picture in pictures] == [f"picture {number}" for number in range(10)]
    for number, picture in enumerate(pictures):
        size = (56, 40) if number % 2 else (48, 64)
        assert picture.image.shape == (*size, 3)
        assert picture.labels.shape == size
    assert set(np.unique(np.concatenate([picture.labels.ravel() for picture in pictures]))) == {0, 1, 2, 3}
    assert len({picture.labels.tobytes() for picture in pictures}) == 10
    again = load_source("shapes_2d", {"training": 6, "evaluation": 4, "seed": 3})
    np.testing.assert_array_equal(again.training_examples.read(2).image, pictures[2].image)


def test_options_may_come_from_json() -> None:
    assert source_options("shapes_2d")().training == 256
    assert len(load_source("shapes_2d", {"evaluation": 3}).evaluation()) == 3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "mni125", {},
            "load_source: name='mni125' is no data source (did you mean 'mni152'?); "
            "pass one of cityscapes, folder, mni152, nifti, shapes, shapes_2d, voc.",
        ),
        (
            "shapes", {"sample": 3},
            "load_source: options='sample' is no option of shapes (did you mean 'samples'?); "
            "pass some of samples, seed.",
        ),
        ("shapes:/x", {}, "load_source: options='path' is no option of shapes; pass some of samples, seed."),
        ("folder", {"class_names": "a,b"}, "load_source: folder.class_names='a,b' is no list of strings; pass one."),
        ("voc", {"mean": ["a"]}, "load_source: voc.mean=['a'] is no list of numbers; pass one."),
        ("folder", {"held_out": "0.5"}, "load_source: folder.held_out='0.5' is no number; pass one."),
        ("shapes", {"samples": True}, "load_source: shapes.samples=True is no integer; pass one."),
        ("voc:/a", {"path": "/b"}, "load_source: options='/b' is another path than '/a'; say the path once."),
        ("nifti", {"path": 3}, "load_source: nifti.path=3 is no string; pass one."),
        ("shapes", {"samples": 0}, "load_source: shapes.samples=0 is not positive; pass e.g. 160."),
    ],
)  # fmt: skip
def test_errors(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        load_source(name, options)
    assert str(caught.value) == message


def test_unknown_ways_to_treat_bad_samples() -> None:
    for arguments, message in (
        (
            {"bad_samples": "drop"},
            "load_source: bad_samples='drop' is no way to treat bad samples; pass 'raise' or 'skip'.",
        ),
        ({"skip_limit": -1}, "load_source: skip_limit=-1 is negative; pass 0 or more."),
    ):
        with pytest.raises(ArgumentError) as caught:
            load_source("shapes", **arguments)  # type: ignore[arg-type]
        assert str(caught.value) == message
