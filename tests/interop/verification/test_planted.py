"""Mistakes planted in a whole model: the first layer that differs is the planted one, and the cause is the mistake."""

import jax
import numpy as np
import pytest
import torch
from flax import nnx

import interop

from .nets import Branches, FlaxBranches, FlaxTwice, randomize, twice
from .test_causes import FOUND


def set_epsilon(model):
    model.norm.eps = 1e-3


def make_stale(model):
    model.norm.mean[...] = 0 * model.norm.mean[...]
    model.norm.var[...] = 0 * model.norm.var[...] + 1


def take_tanh(model):
    model.act.approximate = "tanh"


PLANTED = {
    "epsilon": (set_epsilon, "norm", "epsilon: Flax normalises with 0.001, PyTorch with 1e-05"),
    "stale_statistics": (
        make_stale, "norm",
        "stale statistics: Flax has the running mean and variance of a new layer (mean 0, variance 1)",
    ),
    "activation": (
        take_tanh, "act",
        "activation: Flax computes gelu with the tanh approximation, PyTorch GELU(approximate='none')",
    ),
}  # fmt: skip
_TESTED = "; tested: with that change PyTorch's layer gives Flax's result."


@pytest.mark.parametrize(
    "cause", ["epsilon", *(pytest.param(name, marks=pytest.mark.slow) for name in list(PLANTED)[1:])]
)
def test_in_a_layer(cause):
    plant, layer, sentence = PLANTED[cause]
    module, x = twice()
    model = FlaxTwice(module)
    plant(model)
    report = interop.verify(module, model, x)
    assert report.first_difference.name == layer
    found = report.diagnosis
    assert (found.name, found.wrong_itself, found.cause) == (layer, True, cause)
    assert found.explanation == sentence + _TESTED
    assert found.own_error > 1e-6
    assert found.text == f"{layer} is wrong itself: on PyTorch's own input it differs by {found.own_error:.1e}."


@pytest.mark.slow
def test_an_activation_that_flax_has_as_a_function():
    module, x = twice()
    report = interop.verify(module, FlaxTwice(module, activation=jax.nn.gelu), x)
    found = report.diagnosis
    assert (found.name, found.wrong_itself, found.cause) == ("head", False, "activation")
    assert found.own_error <= 1e-12
    assert "act (in PyTorch alone)" in report.not_compared
    assert "Flax computes gelu with the tanh approximation, PyTorch GELU(approximate='none')" in found.explanation


def branches(first, body, other):
    torch.manual_seed(1)
    module = Branches(first(), body(), other())
    randomize(module)
    return module.eval()


@pytest.mark.slow
def test_branches_joined_in_the_other_order():
    module = branches(*(lambda i=i: torch.nn.Conv2d((3, 4, 4)[i], 4, 3, padding=1) for i in range(3)))
    report = interop.verify(
        module, FlaxBranches(module, swapped=True), np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    )
    assert (report.first_difference.name, report.diagnosis.cause) == ("", "exchanged_branches")
    assert report.diagnosis.explanation == (
        "exchanged branches: body and other stand in each other's place in its code" + _TESTED
    )


class Wired(torch.nn.Module):
    """Two layers of one shape, each with an input of its own."""

    def __init__(self):
        super().__init__()
        self.body, self.other = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

    def forward(self, x):
        return self.body(x) + self.other(torch.tanh(x))


class FlaxWired(nnx.Module):
    """The same with the two inputs exchanged."""

    def __init__(self, module):
        self.body, self.other = interop.from_torch(module.body), interop.from_torch(module.other)

    def __call__(self, x):
        return self.body(jax.numpy.tanh(x)) + self.other(x)


def test_a_layer_that_is_right_and_gets_the_input_of_another():
    torch.manual_seed(0)
    module = Wired()
    report = interop.verify(module, FlaxWired(module), np.random.default_rng(0).normal(size=(5, 4)))
    found = report.diagnosis
    assert (report.first_difference.name, found.wrong_itself, found.cause) == ("body", False, "exchanged_branches")
    assert found.own_error <= 1e-12
    assert found.text.startswith(
        f"body is right itself: on PyTorch's own input it differs by {found.own_error:.1e}. In "
    )
    assert found.explanation == (
        "in the model: exchanged branches: body and other stand in each other's place in its code" + _TESTED
    )


class Scaled(nnx.Module):
    """Calls a layer with an argument that PyTorch's has not."""

    def __init__(self, module):
        self.inner = FlaxWithFactor(module.inner)

    def __call__(self, x):
        return self.inner(x, x[:1] * 0 + 2)


class FlaxWithFactor(nnx.Module):
    def __init__(self, layer):
        self.layer = interop.from_torch(layer)

    def __call__(self, x, factor):
        return self.layer(x) * factor


def test_a_layer_that_is_called_with_something_else():
    torch.manual_seed(0)
    module = torch.nn.Sequential()
    module.inner = torch.nn.Linear(4, 4)
    report = interop.verify(module, Scaled(module), np.random.default_rng(0).normal(size=(5, 4)))
    assert (report.diagnosis.name, report.diagnosis.own_error, report.diagnosis.cause) == ("inner", None, None)
    assert report.diagnosis.text == (
        "inner cannot run alone: it is called with other arguments in Flax than in PyTorch."
    )


@pytest.mark.slow
def test_arrays_of_two_layers_exchanged():
    module = branches(*(lambda i=i: torch.nn.Conv2d((3, 4, 4)[i], 4, 3, padding=1) for i in range(3)))
    model = FlaxBranches(module)
    model.body.kernel, model.other.kernel = model.other.kernel, model.body.kernel
    report = interop.verify(module, model, np.random.default_rng(0).normal(size=(2, 4, 5, 3)))
    assert (report.first_difference.name, report.diagnosis.cause) == ("body", "exchanged_arrays")
    assert report.diagnosis.explanation == "exchanged arrays: Flax has here the weight of other" + _TESTED


class PlainFlax(nnx.Module):
    """Flax's own layers: a convolution with stride 2 that pads as ``SAME`` does."""

    def __init__(self, module):
        self.first = interop.from_torch(module[0])
        self.conv = nnx.Conv(4, 5, (3, 3), strides=2, padding="SAME", rngs=nnx.Rngs(0))
        self.conv.kernel[...] = module[1].weight.detach().numpy().transpose(2, 3, 1, 0)
        self.conv.bias[...] = module[1].bias.detach().numpy()

    def __call__(self, x):
        return self.conv(self.first(x))


@pytest.mark.slow
def test_the_side_of_the_padding_in_a_layer_of_flax_itself():
    from collections import OrderedDict

    torch.manual_seed(0)
    layers = OrderedDict(first=torch.nn.Conv2d(3, 4, 1), conv=torch.nn.Conv2d(4, 5, 3, stride=2, padding=1))
    module = torch.nn.Sequential(layers)
    report = interop.verify(module, PlainFlax(module), np.random.default_rng(0).normal(size=(2, 6, 8, 3)))
    assert (report.first_difference.name, report.diagnosis.cause) == ("conv", "padding_side")
    assert report.diagnosis.explanation == (
        "padding side: Flax pads (0, 1) before and after each axis, PyTorch (1, 1)" + _TESTED
    )


@pytest.mark.slow
@pytest.mark.parametrize(("momentum", "cause"), [(0.9, "momentum"), (0.1, "biased_variance")])
def test_in_batch_statistics(momentum, cause, monkeypatch):
    import dilax.nn

    module, x = twice()
    model = FlaxTwice(module)
    model.norm.momentum = momentum
    if cause == "biased_variance":
        track = dilax.nn.BatchNorm._track

        def biased(self, size, mean, unbiased):
            count = size // self.num_features
            track(self, size, mean, unbiased * (count - 1) / count)

        monkeypatch.setattr(dilax.nn.BatchNorm, "_track", biased)
    report = interop.verify(module, model, x, training=True)
    first = report.first_difference
    assert first.what == "statistic"
    assert first.name == ("norm.running_mean" if cause == "momentum" else "norm.running_var")
    assert report.diagnosis.cause == cause
    assert all(row.equal for row in report.layers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transposed linear", "grouped kernel", "cubic kernel", "align_corners", "gate order"])
def test_in_the_middle_of_a_chain(name):
    make, shape, plant, sentence = FOUND[name]
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Tanh(), make(), *([] if name == "gate order" else [torch.nn.Tanh()])).eval()
    model = interop.from_torch(module)
    plant(model[1])
    x = np.random.default_rng(0).normal(size=shape)
    sequence = name == "gate order"
    x = x if sequence or x.ndim < 3 else np.moveaxis(x, 1, -1)
    report = interop.verify(module, model, x, channels=False if sequence else None)
    assert report.first_difference.name == ("1[0]" if sequence else "1")
    assert report.diagnosis.wrong_itself
    assert report.diagnosis.explanation == sentence + _TESTED
