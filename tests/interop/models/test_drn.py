"""Dilated residual networks against their twins in PyTorch."""

import numpy as np
import pytest
import torch

import interop
from dilax import models
from dilax.errors import ArgumentError, DilaxError
from dilax.models.drn import VARIANTS
from interop import reference

from .classic import assert_same_arrays, assert_varied, float64_error, image, keys, pair

SMALL = {"channels": 2, "num_classes": 5}
SEGMENTING = [
    ("drn_seg", {"base": base, "upsampling": upsampling})
    for base, upsampling in (("drn_a_50", "bilinear"), ("drn_c_58", "transposed"), ("drn_d_105", "transposed"))
]
QUICK = ("drn_d_22", "drn_seg")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(pytest.param(name, {}, marks=() if name in QUICK else pytest.mark.slow) for name in (*VARIANTS, "drn_seg")),
        *(pytest.param(name, options, marks=pytest.mark.slow) for name, options in SEGMENTING),
    ],
)
def test_keys_are_the_twins(name, options):
    ours, theirs = keys(name, **options)
    assert ours == theirs


def test_public_keys_and_shapes():
    found = reference.create("drn_d_22", channels=1).state_dict()
    assert [key for key in found if key.endswith("0.weight")][:4] == [
        "layer0.0.weight",
        "layer1.0.weight",
        "layer2.0.weight",
        "layer3.0.downsample.0.weight",
    ]
    assert found["layer7.0.weight"].shape == (32, 32, 3, 3)
    assert found["fc.weight"].shape == (1000, 32, 1, 1)
    assert "layer7.0.downsample.0.weight" in reference.create("drn_c_58", channels=1).state_dict()
    assert reference.create("drn_a_50", channels=1).state_dict()["fc.weight"].shape == (1000, 128)


def test_whole_model_and_the_way_back():
    twin, model = pair("drn_seg", base="drn_d_22", **SMALL)
    assert_same_arrays(model, twin)
    assert float64_error(twin, model, image(19, 27)) <= 1e-11


CASES = [
    *((name, {"pool_size": 2}, (31, 43)) for name in VARIANTS if name != "drn_a_50"),
    ("drn_d_22", {"out_map": True, "in_channels": 2}, (27, 35)),
    ("drn_a_50", {"pool_size": 3}, (21, 23)),
    *((name, options, (27, 35)) for name, options in SEGMENTING),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "size"), CASES)
def test_every_layer_is_equal(name, options, size):
    options = SMALL | options
    twin, model = pair(name, **options)
    assert_same_arrays(model, twin)
    x = image(*size, options.get("in_channels", 3))
    report = interop.verify(twin, model, x)
    assert report.equal, report.first_difference
    assert report.not_compared == ()
    output = twin.eval()(torch.tensor(np.moveaxis(x, -1, 1), dtype=torch.float32))
    assert_varied((output[1] if isinstance(output, tuple) else output).detach())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"), [("drn_c_26", {"pool_size": 2}), ("drn_c_58", {"out_map": True}), ("drn_seg", {})]
)
def test_training_is_equal(name, options):
    twin, model = pair(name, **SMALL, **options)
    report = interop.verify(twin, model, image(27, 35), training=True, gradients=True)
    assert report.equal, report.first_difference
    assert len(report.statistics) >= 3 * sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in twin.modules())
    trained = sum(parameter.requires_grad for parameter in twin.parameters())
    assert len(report.gradients) >= trained - 3  # those of layer7's shortcut in drn_c_58, which PyTorch does not use


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("drn_d_24", {"in_channels": 2, **SMALL}),
        ("drn_c_58", {"num_classes": 7, "channels": 1, "in_channels": 3}),
        ("drn_a_50", {"num_classes": 7, "channels": 1, "in_channels": 1}),
        ("drn_seg", {"base": "drn_c_26", "in_channels": 3, "upsampling": "bilinear", **SMALL}),
        ("drn_seg", {"base": "drn_a_50", "in_channels": 3, "upsampling": "transposed", **SMALL}),
    ],
)
def test_options_are_read_off_the_shapes(name, options):
    with torch.device("meta"):
        state = reference.create(name, **options).state_dict()
    found = interop.infer_options(name, state)
    assert found.options == options
    assert found.assumed.keys() <= {"pool_size", "out_map"}


def test_another_network_is_refused():
    with torch.device("meta"):
        state = reference.create("drn_d_38", channels=1).state_dict()
    with pytest.raises(DilaxError) as caught:
        interop.infer_options("drn_d_22", state)
    assert str(caught.value) == (
        "infer_options: the state_dict is of a drn_d_38 and not of a drn_d_22; pass the checkpoint of a drn_d_22."
    )
    with pytest.raises(DilaxError) as caught:
        interop.infer_options("drn_seg", state)
    assert str(caught.value) == (
        "infer_options: seg.weight is not there, which in a drn_seg is the weight of a 2-D convolution; "
        "pass the checkpoint of a drn_seg."
    )


def test_each_state_dict_is_of_one_network_only():
    for name in ("drn_a_50", "drn_c_42", "drn_d_56"):
        with torch.device("meta"):
            state = reference.create(name).state_dict()
        fitting = []
        for other in interop.inference.MODELS:
            try:
                interop.infer_options(other, state)
            except DilaxError:
                continue
            fitting.append(other)
        assert name in fitting
        assert not [other for other in fitting if other != name and other.startswith(("drn", "fcn3", "cs", "dil"))]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: models.create("drn_a_50", out_map=True, channels=1),
            "DRN: out_map=True is no option of drn_a_50, whose fc takes a vector; take a DRN of form C or D.",
        ),
        (
            lambda: models.DRNSegConfig(base="drn_d_222"),
            "DRNSeg: base='drn_d_222' is unknown (did you mean 'drn_d_22'?); pass one of drn_a_50, drn_c_26, drn_c_42, "
            "drn_c_58, drn_d_22, drn_d_24, drn_d_38, drn_d_40, drn_d_54, drn_d_56, drn_d_105, drn_d_107.",
        ),
        (lambda: models.DRNConfig(pool_size=0), "DRN: pool_size=0 is below 1; pass a positive integer."),
        (
            lambda: models.DRNSegConfig(upsampling="nearest"),
            "DRNSeg: upsampling='nearest' is unknown; pass 'transposed' or 'bilinear'.",
        ),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message
