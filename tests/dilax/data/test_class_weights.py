import numpy as np
import pytest

from dilax.data import Example, Normalization, Source, weigh_classes
from dilax.data.examples import InMemory
from dilax.errors import ArgumentError


def _source(labels: list[np.ndarray]) -> Source:
    examples = InMemory([Example(np.zeros((*array.shape, 1), np.float32), array.astype(np.int32)) for array in labels])
    return Source("test", ("a", "b", "c", "never"), 1, 2, 255, examples, examples, Normalization((0.0,), (1.0,)))


def test_weights_are_those_of_pixels_counted_one_by_one() -> None:
    rng = np.random.default_rng(0)
    labels = [rng.choice([0, 0, 0, 1, 255], (9, 8)), rng.choice([0, 1, 1, 2], (7, 11)), np.full((3, 4), 255)]
    pixels = [[int(value) for value in array.flat if value != 255] for array in labels]
    total = sum(map(len, pixels))
    counts = [sum(image.count(label) for image in pixels) for label in range(3)]
    expected = [total / (3 * count) for count in counts]
    np.testing.assert_allclose(_source(labels).class_weights("inverse"), [*expected, 0], rtol=1e-6)
    np.testing.assert_allclose(np.dot(counts, expected) / total, 1)
    frequencies = [counts[label] / sum(len(image) for image in pixels if label in image) for label in range(3)]
    expected = [sorted(frequencies)[1] / frequency for frequency in frequencies]
    np.testing.assert_allclose(_source(labels).class_weights(), [*expected, 0], rtol=1e-6)


def test_errors() -> None:
    for arguments, method, message in (
        (([0, 0], [0, 0]), "median", "weigh_classes: counts=[0, 0] has no pixel of any class; check the labels."),
        (([1, 2], [3, 3]), "mean", "weigh_classes: method='mean' is unknown; pass 'inverse' or 'median'."),
    ):
        with pytest.raises(ArgumentError) as caught:
            weigh_classes(*(np.array(values) for values in arguments), method=method)
        assert str(caught.value) == message
