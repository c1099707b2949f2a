"""Networks on VGG-16 against their twins in PyTorch: FCN, CSRNet and the dilated VGG."""

import numpy as np
import pytest
import torch

import interop
from dilax import models
from dilax.errors import ArgumentError, DilaxError
from interop import reference

from .classic import abstract, assert_same_arrays, assert_varied, float64_error, image, keys, pair

NARROW = {"channels": 2, "hidden_channels": 6, "num_classes": 4}
# In fewer channels, the rectifiers of the context module leave nothing of the input.
DEEP = {"channels": 1, "hidden_channels": 6, "num_classes": 12}
DILATED = [{}, {"context": "none"}, {"context": "large", "levels": 7}, {"levels": 10, "upsample": True}]
CASES = [
    ("csrnet", {"channels": 3, "num_classes": 2}, (27, 43)),
    *((name, NARROW, (19, 27)) for name in ("fcn32s", "fcn16s", "fcn8s")),
    *(("dilated_vgg", DEEP | options, (399, 389)) for options in DILATED),
]
QUICK = ("csrnet", "fcn8s")


@pytest.mark.parametrize(
    ("name", "options"),
    [("csrnet", {}), *((name, {}) for name in ("fcn32s", "fcn16s", "fcn8s")), *(("dilated_vgg", o) for o in DILATED)],
)
def test_keys_are_the_twins(name, options):
    ours, theirs = keys(name, **options)
    assert ours == theirs


def test_public_keys_and_shapes():
    found = {key: tensor.shape for key, tensor in reference.create("csrnet").state_dict().items()}
    front = [key for key in found if key.startswith("frontend") and key.endswith("weight")]
    assert front == [f"frontend.{place}.weight" for place in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)]
    assert found["backend.6.weight"] == (256, 512, 3, 3)
    assert found["output_layer.weight"] == (1, 64, 1, 1)
    with torch.device("meta"):
        found = {key: tensor.shape for key, tensor in reference.create("fcn8s").state_dict().items()}
    assert list(found)[-7:] == [
        *("score_pool3.weight", "score_pool3.bias", "score_pool4.weight", "score_pool4.bias"),
        *("upscore2.weight", "upscore8.weight", "upscore_pool4.weight"),
    ]
    assert found["fc6.weight"] == (4096, 512, 7, 7)
    assert found["upscore8.weight"] == (21, 21, 16, 16)


@pytest.mark.parametrize(("name", "options", "size"), [case for case in CASES if case[0] in QUICK])
def test_whole_model_and_the_way_back(name, options, size):
    twin, model = pair(name, **options)
    assert_same_arrays(model, twin)
    assert float64_error(twin, model, image(*size)) <= 1e-11


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "size"), CASES)
def test_every_layer_is_equal(name, options, size):
    twin, model = pair(name, **options)
    assert_same_arrays(model, twin)
    x = image(*size)
    report = interop.verify(twin, model, x)
    assert report.equal, report.first_difference
    assert report.not_compared == ()
    assert_varied(twin.eval()(torch.tensor(np.moveaxis(x, -1, 1), dtype=torch.float32)).detach())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("csrnet", {"channels": 2, "num_classes": 2}, (19, 27)),
        ("fcn8s", NARROW | {"dropout": 0.0}, (19, 27)),
        ("dilated_vgg", DEEP | {"dropout": 0.0, "upsample": True}, (399, 389)),
    ],
)
def test_training_is_equal(name, options, size):
    twin, model = pair(name, **options)
    report = interop.verify(twin, model, image(*size), training=True, gradients=True)
    assert report.equal, report.first_difference
    assert len(report.gradients) >= sum(parameter.requires_grad for parameter in twin.parameters())


@pytest.mark.parametrize(("name", "options", "size"), CASES)
def test_options_are_read_off_the_shapes(name, options, size):
    with torch.device("meta"):
        state = reference.create(name, **options).state_dict()
    found = interop.infer_options(name, state)
    config = vars(abstract(name, **options).config)
    assert {key: config[key] for key in found.options} == found.options
    assert found.options.keys() >= options.keys()
    assert found.assumed == ({} if name == "csrnet" else {"dropout": 0.5})
    for other in interop.inference.MODELS:
        if other != name:
            with pytest.raises(DilaxError):
                interop.infer_options(other, state)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.CSRNetConfig(channels=0), "CSRNet: channels=0 is below 1; pass a positive integer."),
        (lambda: models.FCNVGGConfig(dropout=2), "FCNVGG: dropout=2 is outside [0, 1]; pass a share, e.g. 0.1."),
        (
            lambda: models.DilatedVGGConfig(context="wide"),
            "DilatedVGG: context='wide' is unknown; pass 'none', 'basic' or 'large'.",
        ),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message
