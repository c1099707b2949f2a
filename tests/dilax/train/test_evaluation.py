from typing import Any

import jax.numpy as jnp
import numpy as np

from dilax.data import Example, Normalization, Slab, Source, Volume
from dilax.data.bad_samples import BadSamples
from dilax.data.built_in import slab_source
from dilax.data.examples import InMemory
from dilax.train import evaluate


def _source(volume: Volume, slab: Slab) -> Source:
    return slab_source("test", volume, slab, samples=2, bad=BadSamples("raise", 0))


def test_only_the_slab_counts_and_the_whole_volume_is_seen() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=(4, 9, 5)).astype(np.int32)
    volume = Volume(labels.astype(np.float32), labels, np.eye(4), ("dark", "bright", "none"))
    seen = []

    def predict(arrays, image):  # type: ignore[no-untyped-def]
        seen.append(image.shape)
        guess = image[..., 0].astype(jnp.int32)
        # Right inside the slab but for one voxel, wrong everywhere else.
        return (1 - guess).at[:, :, 3:6].set(guess[:, :, 3:6]).at[0, 1, 4, 2].add(1 - 2 * guess[0, 1, 4, 2])

    found = evaluate(predict, {}, _source(volume, Slab(1, 3, 6)))
    assert seen == [(1, 4, 9, 5, 1)]
    inside = labels[:, 3:6]
    wrong = labels[1, 4, 2]
    counts = [(inside == label).sum() for label in (0, 1)]
    assert found["accuracy"] == (inside.size - 1) / inside.size
    for name, label in (("dark", 0), ("bright", 1)):
        hit = counts[label] - (label == wrong)
        np.testing.assert_allclose(found[f"iou/{name}"], hit / (hit + 1))
        np.testing.assert_allclose(found[f"dice/{name}"], 2 * hit / (2 * hit + 1))
    assert np.isnan(found["dice/none"])
    np.testing.assert_allclose(found["mean_iou"], (found["iou/dark"] + found["iou/bright"]) / 2, rtol=1e-14)


def test_tiles_of_a_pointwise_model_score_as_the_whole_volume() -> None:
    rng = np.random.default_rng(1)
    image = rng.random((11, 17, 7)).astype(np.float32)
    labels = (image + rng.normal(0, 0.2, image.shape) > 0.5).astype(np.int32)
    volume = Volume(image, labels, np.eye(4), ("dark", "bright"))

    def predict(arrays: Any, image: Any) -> Any:
        return (image[..., 0] > 0.5).astype(jnp.int32)

    whole = evaluate(predict, {}, _source(volume, Slab(1, 5, 12)))
    assert 0.5 < whole["mean_dice"] < 1
    assert evaluate(predict, {}, _source(volume, Slab(1, 5, 12)), tile=6) == whole


def test_images_of_one_shape_are_predicted_together_and_each_counts_once() -> None:
    rng = np.random.default_rng(2)
    shapes = [(5, 6), (5, 6), (5, 6), (7, 4), (5, 6), (7, 4), (7, 4)]
    pictures = [
        Example(rng.random((*shape, 3)).astype(np.float32), rng.integers(0, 3, shape).astype(np.int32), f"p{number}")
        for number, shape in enumerate(shapes)
    ]
    source = Source(
        "pictures", ("a", "b", "c"), 3, 2, 255, InMemory(pictures), InMemory(pictures),
        Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    )  # fmt: skip
    asked: list[Any] = []

    def predict(arrays: Any, image: Any) -> Any:
        asked.append(image.shape)
        return jnp.argmax(image, axis=-1)

    def judge(**options: Any) -> tuple[list[Any], Any, list[Any]]:
        asked.clear()
        seen: list[Any] = []
        found = evaluate(
            predict, {}, source, see=lambda example, predicted: seen.append((example, predicted)), **options
        )
        return list(asked), found, seen

    alone, expected, seen = judge()
    assert alone == [(1, *shape, 3) for shape in shapes]
    together, found, seen_together = judge(at_once=2)
    assert together == [(2, *shape, 3) for shape in ((5, 6), (5, 6), (7, 4), (5, 6), (7, 4))]
    assert found == expected
    for (one, labels), (other, same) in zip(seen, seen_together, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(labels, same)
    assert [example.name for example, _ in judge(at_once=2, limit=3)[2]] == ["p0", "p1", "p2"]
    assert judge(at_once=4, limit=2)[0] == [(4, 5, 6, 3)]
