"""The context module alone against its layers in PyTorch, on maps that its dilations reach across."""

import collections

import pytest
import torch
from flax import nnx

import interop
from dilax.nn import ContextModule

from .classic import assert_same_arrays, float64_error, image, twin_of


def pair(*, large):
    options = {"channels": 1, "hidden_channels": 1, "num_classes": 3, "context": "large" if large else "basic"}
    layers = twin_of("dilated_vgg", **options).named_children()
    twin = torch.nn.Sequential(collections.OrderedDict((name, one) for name, one in layers if name.startswith("ctx_")))
    model = nnx.eval_shape(lambda: ContextModule(3, large=large, rngs=nnx.Rngs(0)))
    interop.load(model, twin.state_dict())
    return twin, model


def test_whole_module_and_the_way_back():
    twin, model = pair(large=False)
    assert_same_arrays(model, twin)
    assert float64_error(twin, model, image(39, 45)) <= 1e-11


@pytest.mark.slow
@pytest.mark.parametrize("large", [False, True])
def test_every_layer_is_equal_in_training_too(large):
    twin, model = pair(large=large)
    report = interop.verify(twin, model, image(39, 45), training=True, gradients=True)
    assert report.equal, report.first_difference
    assert report.not_compared == ()
