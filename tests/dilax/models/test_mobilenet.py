"""What configurations of MobileNets take, and what the models are made of."""

import jax
import numpy as np
import pytest
from flax import nnx

from dilax import models
from dilax.errors import ArgumentError
from dilax.mobilenets import round_channels
from dilax.models.mobilenet import block_geometry
from interop.inference import mobilenet, timm_mobilenet

REJECTED = [
    (
        lambda: models.create("mobilenet_v2", output_stride=4),
        "MobileNetV2: output_stride=4 is not 8, 16 or 32; pass one of them.",
    ),
    (
        lambda: models.create("mobilenet_v3_small", width_mult=0),
        "MobileNetV3: width_mult=0 is not above 0; pass e.g. 0.75.",
    ),
    (
        lambda: models.create("mobilenet_v3_large", dropout=1.5),
        "MobileNetV3: dropout=1.5 is outside [0, 1]; pass a share, e.g. 0.1.",
    ),
    (
        lambda: models.create("lraspp_mobilenet_v3_large", num_classes=0),
        "LRASPP: num_classes=0 is below 1; pass a positive integer.",
    ),
    (
        lambda: models.create("deeplabv3_mobilenet_v3_large", dilations=(6, 0)),
        "DeepLabV3MobileNet: dilations=(6, 0) contains 0; pass positive integers, e.g. (6, 12, 18).",
    ),
    (
        lambda: models.create("timm_mobilenetv2_100", in_channels=0),
        "TimmMobileNet: in_channels=0 is below 1; pass a positive integer.",
    ),
    (
        lambda: models.MobileNetV3("mobilenet_v3_larg", models.MobileNetV3Config(), rngs=nnx.Rngs(0)),
        "MobileNetV3: architecture='mobilenet_v3_larg' is no MobileNetV3 (did you mean 'mobilenet_v3_large'?); pass "
        "one of mobilenet_v3_large, mobilenet_v3_small.",
    ),
]


@pytest.mark.parametrize(("make", "message"), REJECTED)
def test_what_is_rejected(make, message):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("output_stride", "delayed", "expected"),
    [
        (32, False, [(2, 1), (2, 1), (1, 1), (2, 1), (1, 1), (2, 1), (1, 1)]),
        (16, False, [(2, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 2), (1, 2)]),
        (8, False, [(2, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 4), (1, 4)]),
        (16, True, [(2, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1), (1, 2)]),
        (8, True, [(2, 1), (2, 1), (1, 1), (1, 1), (1, 2), (1, 2), (1, 4)]),
    ],
)
def test_strides_become_dilations(output_stride, delayed, expected):
    assert block_geometry((2, 2, 1, 2, 1, 2, 1), output_stride, delayed=delayed) == expected


def test_channels_are_rounded_to_multiples_of_8_and_lose_a_tenth_at_most():
    for tenths in range(1, 20000, 7):
        channels = tenths / 10
        rounded = round_channels(channels)
        assert rounded % 8 == 0
        assert max(8, 0.9 * channels) <= rounded <= max(8, channels + 8)


def test_the_shapes_of_outputs():
    options = {"auxiliary_head": True, "num_classes": 4, "in_channels": 2}
    model = nnx.eval_shape(lambda: models.create("deeplabv3_mobilenet_v3_large", **options))
    found = nnx.eval_shape(lambda model, x: model(x), model, jax.ShapeDtypeStruct((2, 33, 41, 2), np.float32))
    assert {name: one.shape for name, one in found.items()} == {"out": (2, 33, 41, 4), "aux": (2, 33, 41, 4)}


@pytest.mark.parametrize(
    ("name", "output_stride", "sizes"),
    [
        ("mobilenet_v3_large", 32, [(17, 21), (9, 11), (5, 6), (3, 3), (2, 2)]),
        ("timm_mobilenetv2_100", 8, [(17, 21), (9, 11), (5, 6), (5, 6), (5, 6)]),
    ],
)
def test_the_sizes_of_feature_maps(name, output_stride, sizes):
    model = nnx.eval_shape(lambda: models.create(name, output_stride=output_stride))
    image = jax.ShapeDtypeStruct((2, 33, 41, 3), np.float32)
    found = nnx.eval_shape(lambda model, x: list(model.feature_maps(x).values()), model, image)
    assert [one.shape[1:3] for one in found] == sizes


def test_interop_knows_the_names_of_all_of_them():
    names = {name for name in models.list() if "mobilenet" in name}
    assert names == mobilenet.READERS.keys() | timm_mobilenet.READERS.keys()


def test_initial_values_have_torchvisions_distribution():
    model = models.create("mobilenet_v3_small")
    kernel = np.asarray(model.features[9].block[2].fc1.kernel[...])
    assert abs(kernel.std() / np.sqrt(2 / 72) - 1) < 0.02
    assert not np.asarray(model.features[9].block[2].fc1.bias[...]).any()
    assert abs(np.asarray(model.classifier[0].kernel[...]).std() / 0.01 - 1) < 0.01
    assert (model.features[0][1].eps, model.features[0][1].momentum) == (1e-3, 0.01)
