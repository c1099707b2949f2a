"""Prediction on images: an oracle in PyTorch, and what is refused."""

import numpy as np
import pytest
import torch
from flax import nnx

import interop
from dilax.data import Preprocessing, preprocess
from dilax.errors import ArgumentError
from dilax.nn import BatchNorm, Conv, Sequential
from dilax.predict import predict_image

IMAGE = np.random.default_rng(0).integers(0, 256, (45, 61, 3)).astype(np.uint8)


class Segmenting(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.layers = Sequential([Conv(3, 5, (3, 3), stride=4, padding=1, rngs=rngs), BatchNorm(5)])

    def __call__(self, x):
        return {"out": self.layers(x), "aux": -self.layers(x)}


class Classifying(Segmenting):
    def __call__(self, x):
        return self.layers(x).mean((1, 2))


def oracle(model, image, how):
    """Logits of PyTorch's layers, in float64."""
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, stride=4, padding=1), torch.nn.BatchNorm2d(5)).eval()
    layers.load_state_dict({key: torch.tensor(value) for key, value in interop.state_dict(model.layers).items()})
    with torch.no_grad():
        return layers.double()(torch.tensor(np.moveaxis(preprocess(image, how), -1, 0)[None]).double())


@pytest.mark.parametrize("how", [Preprocessing(resize=32), Preprocessing(), Preprocessing(multiple=16)])
def test_labels_are_those_of_logits_as_large_as_the_image(how):
    model = Segmenting()
    found = predict_image(model, IMAGE, preprocessing=how)
    logits = oracle(model, IMAGE, how)
    if how.multiple > 1:  # 45x61 became 48x64, and the model's map is a quarter of it
        logits = logits[..., :11, :15]
    logits = torch.nn.functional.interpolate(logits, (45, 61), mode="bilinear", align_corners=False)[0].numpy()
    assert found.scores is None
    assert found.labels.shape == (45, 61)
    assert len(np.unique(found.labels)) == 5
    gap = np.diff(np.sort(logits, axis=0)[-2:], axis=0)[0]
    assert not (found.labels != logits.argmax(0))[gap > 1e-5].any()
    assert not model.layers[1].use_running_average  # the caller's model stays in its mode


def test_scores_are_probabilities():
    model, how = Classifying(), Preprocessing(resize=40, crop=33, interpolation="bicubic")
    found = predict_image(model, IMAGE, preprocessing=how)
    expected = torch.softmax(oracle(model, IMAGE, how).mean((2, 3))[0], 0).numpy()
    assert found.labels is None
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5)
    order = np.argsort(-expected)
    assert [index for index, _ in found.top(3)] == order[:3].tolist()
    assert found.top(2)[1][1] == found.scores[order[1]]
    with pytest.raises(ArgumentError) as caught:
        found.top(0)
    assert str(caught.value) == "top: count=0 is below 1; pass a positive integer."


def test_what_is_refused():
    found = predict_image(Segmenting(), IMAGE, preprocessing=Preprocessing())
    with pytest.raises(ArgumentError) as caught:
        found.top()
    assert str(caught.value) == "top: scores=None is not there: the model segments; look at labels."
    with pytest.raises(ArgumentError) as caught:
        predict_image(one_channel(), IMAGE, preprocessing=Preprocessing())
    assert str(caught.value) == (
        "predict_image: model='Counting' gives [1, 45, 61, 1], no logits of classes; "
        "pass a model that segments or classifies."
    )


def one_channel():
    class Counting(nnx.Module):
        def __call__(self, x):
            return x[..., :1]

    return Counting()
