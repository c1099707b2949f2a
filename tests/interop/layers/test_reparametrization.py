import warnings

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrizations

import interop
from dilax.errors import DilaxError

from .parity import check, randomized

RNG = np.random.default_rng(0)


def older(name, *args, **options):
    """A layer with one of the normalisations that warn that there are newer ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(torch.nn.utils, name)(*args, **options)


def conv():
    return torch.nn.Conv2d(20, 30, (3, 2), groups=2)


LAYERS = {
    "conv, weight, parametrization": lambda: parametrizations.weight_norm(conv()),
    "conv, weight, hook": lambda: older("weight_norm", conv()),
    "linear, weight, one length": lambda: parametrizations.weight_norm(torch.nn.Linear(20, 30), dim=None),
    "linear, weight, inputs": lambda: older("weight_norm", torch.nn.Linear(20, 30), dim=1),
    "conv, spectral, parametrization": lambda: parametrizations.spectral_norm(conv(), n_power_iterations=2),
    "conv, spectral, hook": lambda: older("spectral_norm", conv()),
    "linear, spectral, inputs": lambda: older("spectral_norm", torch.nn.Linear(20, 30), dim=1),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_normalized_layer(make, training):
    torch.manual_seed(0)
    module = make()
    x = RNG.normal(size=(2, 20, 4, 3)) if isinstance(module, torch.nn.Conv2d) else RNG.normal(size=(3, 20))
    check(randomized(module), x, training=training, steps=3)


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
