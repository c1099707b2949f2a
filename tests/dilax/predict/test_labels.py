import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax import models
from dilax.errors import ArgumentError
from dilax.nn import BatchNorm, Conv, FeatureDropout
from dilax.predict import predict_labels


class Small(nnx.Module):
    """A model of radius 3 whose stages matter: batch statistics and dropout must be off."""

    radius = 3

    def __init__(self, rngs):
        self.stages = nnx.List(
            [
                Conv(1, 4, (3, 3, 3), padding=1, rngs=rngs),
                BatchNorm(4),
                FeatureDropout(0.5, rngs=rngs),
                Conv(4, 3, (3, 3, 3), padding=2, dilation=2, rngs=rngs),
            ]
        )

    def __call__(self, x):
        for stage in self.stages:
            x = stage(x)
        return x


def _logits(model, image):
    graph, state = nnx.split(model)
    copy = nnx.merge(graph, state)
    copy.eval()
    return np.asarray(copy(jnp.asarray(image)[None, ..., None]))[0]


@pytest.mark.parametrize("tile", [0, 7, (8, 0, 0), (7, 9, 11), 100])
def test_labels_are_those_of_the_whole_model(tile):
    model = Small(nnx.Rngs(1))
    image = np.random.default_rng(0).random((13, 17, 15)).astype(np.float32)
    logits = _logits(model, image)
    labels = predict_labels(model, image, tile=tile)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, logits.argmax(-1))
    assert set(np.unique(labels)) == {0, 1, 2}


def test_the_model_keeps_its_mode_and_progress_is_told():
    model = Small(nnx.Rngs(1))
    seen = []
    predict_labels(model, np.ones((9, 8, 8), np.float32), tile=(8, 0, 0), progress=lambda *told: seen.append(told))
    assert seen == [(count, 8) for count in range(1, 9)]
    assert model.stages[1].use_running_average is False
    assert model.stages[2].deterministic is False


@pytest.mark.slow
def test_a_model_of_float64_runs_in_float64():
    with jax.enable_x64(True):
        model = models.create("meshnet", channels=3)
        graph, state = nnx.split(model)
        double = nnx.merge(graph, jax.tree.map(lambda a: a.astype(jnp.float64), state))
        image = np.random.default_rng(0).random((9, 8, 7))
        expected = np.asarray(double(jnp.asarray(image)[None, ..., None]))[0]
        assert expected.dtype == np.float64
        np.testing.assert_array_equal(predict_labels(double, image), expected.argmax(-1))


@pytest.mark.parametrize(
    ("image", "tile", "message"),
    [
        (
            np.ones((4, 5)),
            0,
            "predict_labels: image=(4, 5) is no volume; pass an array of 3 axes.",
        ),
        (
            np.ones((9, 9, 9)),
            6,
            "predict_labels: tile=6 is not above twice the model's radius of 3 voxels; "
            "pass 12 or more, or 0 for the whole volume.",
        ),
        (
            np.ones((9, 9, 9)),
            (7, 7),
            "predict_labels: tile=(7, 7) is no edge and no edge for each of 3 axes; "
            "pass e.g. 160, or (160, 0, 0) for slabs.",
        ),
    ],
)
def test_errors(image, tile, message):
    with pytest.raises(ArgumentError) as caught:
        predict_labels(Small(nnx.Rngs(0)), image, tile=tile)
    assert str(caught.value) == message
