"""What configurations of ResNets, DeepLabV3 and FCN take, and what the models are made of."""

import time

import jax
import numpy as np
import pytest
from flax import nnx

from dilax import models
from dilax.architectures import ARCHITECTURES
from dilax.errors import ArgumentError
from dilax.models.resnet import BackboneConfig, block_geometry
from dilax.nn import Aspp
from interop.inference import resnet as inference

REJECTED = [
    (
        lambda: models.create("resnet50", output_stride=4),
        "ResNet: output_stride=4 is not 8, 16 or 32; pass one of them.",
    ),
    (
        lambda: models.create("fcn_resnet50", num_classes=0),
        "FCN: num_classes=0 is below 1; pass a positive integer.",
    ),
    (
        lambda: models.create("resnet50", multi_grid=(1, 0, 4)),
        "ResNet: multi_grid=(1, 0, 4) is no tuple of positive integers; pass e.g. (1, 2, 4).",
    ),
    (
        lambda: models.create("resnet50", multi_grid=(1, 2)),
        "ResNet: multi_grid=(1, 2) does not have one number for each of the 3 blocks of the last stage of resnet50; "
        "pass 3 numbers.",
    ),
    (
        lambda: models.create("resnet18", multi_grid=(1, 2)),
        "ResNet: multi_grid=(1, 2) needs blocks of three convolutions, and those of resnet18 have two; leave it out, "
        "or take resnet50 or a larger one.",
    ),
    (
        lambda: models.create("deeplabv3_resnet50", dilations=(6, 0)),
        "DeepLabV3: dilations=(6, 0) contains 0; pass positive integers, e.g. (6, 12, 18).",
    ),
    (
        lambda: Aspp(3, (), rngs=nnx.Rngs(0)),
        "Aspp: dilations=() holds no dilation; pass positive integers, e.g. (6, 12, 18).",
    ),
    (
        lambda: models.ResNet("resnet51", models.ResNetConfig(), rngs=nnx.Rngs(0)),
        "ResNet: architecture='resnet51' is no ResNet (did you mean 'resnet50'?); pass one of resnet50, "
        f"resnet18, resnet50t, resnet50s, resnet50d, … ({len(ARCHITECTURES)} in all).",
    ),
]


@pytest.mark.parametrize(("make", "message"), REJECTED)
def test_what_is_rejected(make, message):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("output_stride", "multi_grid", "expected"),
    [
        (32, None, [[(1, 1)] * 2, [(2, 1), (1, 1)], [(2, 1), (1, 1)], [(2, 1), (1, 1)]]),
        (16, None, [[(1, 1)] * 2, [(2, 1), (1, 1)], [(2, 1), (1, 1)], [(1, 1), (1, 2)]]),
        (8, None, [[(1, 1)] * 2, [(2, 1), (1, 1)], [(1, 1), (1, 2)], [(1, 2), (1, 4)]]),
        (8, (1, 3), [[(1, 1)] * 2, [(2, 1), (1, 1)], [(1, 1), (1, 2)], [(1, 4), (1, 12)]]),
        (32, (1, 3), [[(1, 1)] * 2, [(2, 1), (1, 1)], [(2, 1), (1, 1)], [(2, 1), (1, 3)]]),
    ],
)
def test_the_first_block_of_a_dilated_stage_keeps_the_dilation_before(output_stride, multi_grid, expected):
    assert block_geometry((2, 2, 2, 2), output_stride, multi_grid) == expected


def test_the_shapes_of_outputs():
    model = nnx.eval_shape(lambda: models.create("fcn_resnet50", auxiliary_head=True, num_classes=4, in_channels=2))
    found = nnx.eval_shape(lambda model, x: model(x), model, jax.ShapeDtypeStruct((2, 33, 41, 2), np.float32))
    assert {name: one.shape for name, one in found.items()} == {"out": (2, 33, 41, 4), "aux": (2, 33, 41, 4)}


def test_interop_knows_the_names_of_all_of_them():
    names = {name for name in models.list() if issubclass(models.config_type(name), BackboneConfig)}
    assert names == set(inference.NAMES) > set(ARCHITECTURES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnext101_32x8d", "seresnet200d"])
def test_the_largest_models_are_made_in_seconds(name):
    models.create("resnet18")
    begin = time.process_time()
    models.create(name)
    assert time.process_time() - begin < 3


@pytest.mark.slow
def test_a_deep_abstract_model_is_made_in_seconds():
    """Each draw of an initial value must not look at all operations before it."""
    begin = time.process_time()
    nnx.eval_shape(lambda: models.create("seresnet200d"))
    assert time.process_time() - begin < 6


def test_initial_values_have_torchvisions_distribution():
    model = models.create("resnet18")
    kernel = np.asarray(model.layer4[0].conv1.kernel[...])
    assert abs(kernel.std() / np.sqrt(2 / (9 * 512)) - 1) < 0.01
    assert np.abs(kernel).max() > 4.5 * kernel.std()  # not truncated
    other = models.create("resnet18", rngs=nnx.Rngs(1)).layer4[0].conv1.kernel[...]
    assert not np.array_equal(other, kernel)
    np.testing.assert_array_equal(models.create("resnet18").layer4[0].conv1.kernel[...], kernel)
