import warnings

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrizations

import interop
from dilax.errors import DilaxError
from interop.testing import randomise

from .parity import check

RNG = np.random.default_rng(0)


def older(name, *args, **options):
    """A layer with one of the normalisations that warn that there are newer ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(torch.nn.utils, name)(*args, **options)


def conv():
    return torch.nn.Conv2d(8, 200, (3, 2), groups=2)


LAYERS = {
    "conv, weight, parametrization": lambda: parametrizations.weight_norm(conv()),
    "conv, weight, hook": lambda: older("weight_norm", conv()),
    "transposed conv, weight, parametrization": lambda: parametrizations.weight_norm(
        torch.nn.ConvTranspose2d(8, 200, (3, 2), stride=2)
    ),
    "transposed conv, spectral, hook": lambda: older("spectral_norm", torch.nn.ConvTranspose2d(8, 200, (3, 2))),
    "linear, weight, one length": lambda: parametrizations.weight_norm(torch.nn.Linear(20, 30), dim=None),
    "linear, weight, inputs": lambda: older("weight_norm", torch.nn.Linear(20, 30), dim=1),
    "conv, spectral, parametrization": lambda: parametrizations.spectral_norm(conv(), n_power_iterations=2),
    "conv, spectral, hook": lambda: older("spectral_norm", conv()),
    "linear, spectral, inputs": lambda: older("spectral_norm", torch.nn.Linear(20, 30), dim=1),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_normalized_layer(name, training):
    torch.manual_seed(0)
    module = LAYERS[name]()
    x = (
        RNG.normal(size=(2, 8, 4, 3))
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
        else RNG.normal(size=(3, 20))
    )
    single = not ("one length" in name or "spectral" in name)
    check(randomise(module), x, training=training, steps=3, single=single)


@pytest.mark.parametrize("name", ["linear, weight, one length", "linear, spectral, inputs"])
def test_one_number_that_scales_all_is_as_near_the_truth_in_float32(name):
    errors = []
    for seed in range(30):
        torch.manual_seed(seed)
        module = LAYERS[name]().eval()
        x = torch.randn(3, 20)
        ours = np.asarray(interop.from_torch(module)(x.numpy()))
        single = module(x).detach().numpy()
        truth = module.double()(x.double()).detach().numpy()
        errors.append([np.square(ours - truth).sum(), np.square(single - truth).sum()])
    ours, single = np.sqrt(np.sum(errors, 0))
    assert ours <= 2 * single


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_state_dict_has_torchs_keys_order_and_numbers(make):
    module = make()
    expected = module.state_dict()
    found = interop.state_dict(interop.from_torch(module))
    assert list(found) == list(expected)
    for key, array in found.items():
        np.testing.assert_array_equal(array, expected[key], strict=True)


def test_another_parametrization_is_refused_by_name():
    module = torch.nn.Sequential(parametrizations.orthogonal(torch.nn.Linear(3, 3)))
    with pytest.raises(DilaxError) as caught:
        interop.from_torch(module)
    assert str(caught.value) == (
        "from_torch: the parametrization Orthogonal of 0.weight has no equal in Flax; "
        "remove it with torch.nn.utils.parametrize.remove_parametrizations."
    )


def test_lengths_along_grouped_inputs_are_refused():
    with pytest.raises(DilaxError) as caught:
        interop.from_torch(parametrizations.weight_norm(torch.nn.ConvTranspose1d(4, 6, 3, groups=2)))
    assert str(caught.value) == (
        "from_torch: axis 0 of the module.weight is no single axis in Flax, so a normalisation along it has no equal; "
        "remove it from the PyTorch layer first."
    )
