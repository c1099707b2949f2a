"""PyTorch -> Flax -> PyTorch with a MeshNet of every kind, and with trained weights where they are at hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from flax import nnx

import interop
from dilax import models
from dilax.errors import DilaxError, MismatchError
from interop import reference

WEIGHTS = Path(__file__).parents[2].parent / "shared" / "data" / "meshnet"
KINDS = [
    {"channels": 5, "activation": "relu"},
    pytest.param({"channels": 6, "activation": "elu", "num_classes": 4, "in_channels": 2}, marks=pytest.mark.slow),
    pytest.param({"channels": 4, "activation": "gelu", "batch_norm": True}, marks=pytest.mark.slow),
    {"channels": 7, "batch_norm": True, "dropout": 0.2},
]


def twin(**options):
    """A PyTorch MeshNet of random weights and batch statistics."""
    torch.manual_seed(3)
    module = reference.create("meshnet", **options)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 2)
            layer.bias.data.normal_()
            layer.num_batches_tracked += 17
    return module


def bits(model):
    return [np.asarray(leaf[...]).tobytes() for _, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))]


@pytest.mark.parametrize("options", KINDS)
def test_every_layer_is_equal_and_the_way_back_is_exact(options):
    module = twin(**options)
    model = models.create("meshnet", **options)
    report = interop.load(model, {"model": module.state_dict(), "optimizer": {}, "epoch": 4})
    assert (report.wrapper, report.unused) == ("model", ("optimizer", "epoch"))
    assert report.arrays == len(module.state_dict())

    x = np.random.default_rng(0).random((2, 9, 10, 11, options.get("in_channels", 1)))
    verified = interop.verify(module, model, x)
    assert verified.equal, verified.first_difference
    assert verified.not_compared == ()
    assert [layer.name for layer in verified.layers][-2:] == ["model", ""]

    back = interop.state_dict(model)
    assert list(back) == list(module.state_dict())
    for key, tensor in module.state_dict().items():
        assert back[key].dtype == tensor.numpy().dtype
        assert back[key].tobytes() == tensor.numpy().tobytes(), key


def test_verification_names_the_layer_that_differs():
    module = twin(**KINDS[0])
    model = models.create("meshnet", **KINDS[0])
    interop.load(model, module.state_dict())
    model.model[4].kernel[...] *= 1.001
    x = np.random.default_rng(0).random((1, 9, 10, 11, 1))
    report = interop.verify(module, model, x)
    assert report.first_difference.name == "model.4"
    with pytest.raises(MismatchError):
        report.raise_if_different()


@pytest.mark.parametrize("options", KINDS)
def test_options_are_read_off_the_shapes(options):
    found = interop.infer_options("meshnet", twin(**options).state_dict())
    assert (found.options | found.assumed).keys() >= options.keys()
    for name, value in found.options.items():
        assert value == getattr(models.MeshNetConfig(**options), name)


def test_a_state_dict_that_does_not_fit_is_refused_whole():
    arrays = dict(twin(**KINDS[0]).state_dict())
    arrays["model.0.wieght"] = arrays.pop("model.0.weight")
    arrays["model.18.bias"] = torch.zeros(4)
    model = models.create("meshnet", **KINDS[0])
    before = bits(model)
    with pytest.raises(MismatchError) as caught:
        interop.load(model, arrays)
    assert str(caught.value) == (
        "load: the state_dict and the MeshNet differ in 3 places; build the model with the checkpoint's options, "
        "or pass the checkpoint of this model.\n"
        "  missing: model.0.weight [5, 1, 3, 3, 3] (did you mean 'model.0.wieght'?)\n"
        "  shape: model.18.bias is [4], the model's [3]\n"
        "  unexpected: model.0.wieght [5, 1, 3, 3, 3] (did you mean 'model.0.weight'?)"
    )
    assert bits(model) == before


def test_a_checkpoint_without_a_state_dict_is_refused():
    with pytest.raises(DilaxError) as caught:
        interop.load(models.create("meshnet"), {"epoch": 3})
    assert str(caught.value) == (
        "load: there is no state_dict in the checkpoint, which holds 'epoch'; pass a mapping of names to tensors, "
        "or one under state_dict, model, net, network, model_state_dict, module, params, ema, ema_state_dict, "
        "model_ema, params_ema, state_dict_ema."
    )


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="the trained MeshNet weights are not beside the project")
@pytest.mark.parametrize(("file", "activation"), [("model5_gw_ae.pth", "relu"), ("model18cls.pth", "elu")])
def test_trained_weights_are_equal_in_every_layer(file, activation):
    from safetensors.torch import load_file

    arrays = load_file(WEIGHTS / file)
    options = interop.infer_options("meshnet", arrays).options | {"activation": activation}
    module = reference.create("meshnet", **options)
    module.load_state_dict(arrays)
    model = models.create("meshnet", **options)
    interop.load(model, arrays)
    x = np.random.default_rng(0).random((1, 24, 25, 26, 1))
    report = interop.verify(module, model, x)
    assert report.equal, report.first_difference
