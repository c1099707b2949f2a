"""Models that agree: branches, a layer used twice, nested outputs, training, gradients, steps."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

import dilax.nn
import interop
from dilax.errors import ArgumentError, DilaxError

from .nets import FlaxTwice, twice


def test_branches_a_layer_used_twice_and_a_dict_of_outputs():
    module, x = twice()
    model = FlaxTwice(module)
    shown = []
    report = interop.verify(module, model, x, progress=lambda *done: shown.append(done))
    assert [row.name for row in report.layers] == [
        "conv", "norm", "shortcut", "act", "act#2", "head", "[map]", "[scores]",
    ]  # fmt: skip
    assert [row.kind for row in report.layers][:3] == ["Conv2d", "BatchNorm2d", "Conv2d"]
    assert report.layers[0].shape == report.layers[0].flax_shape == (2, 6, 5, 4)
    assert report.equal
    assert report.diagnosis is None
    assert report.not_compared == ()
    assert report.draws in (4, 16)
    assert shown[0] == (1, 5)
    assert shown[-1][0] == shown[-1][1]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [None, "Adam"])
def test_training_gradients_and_steps(optimizer):
    module, x = twice()
    model = FlaxTwice(module)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    ours = interop.state_dict(model)
    made = None if optimizer is None else torch.optim.Adam(module.parameters(), lr=0.01)
    report = interop.verify(module, model, x, training=True, gradients=True, steps=3, optimizer=made)
    assert report.equal, report.first_difference
    assert [row.name for row in report.statistics] == [
        "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    ]  # fmt: skip
    names = [name for name, _ in module.named_parameters()]
    assert [row.name for row in report.gradients] == [*names, "input 0"]
    assert report.gradients[0].shape == (4, 3, 3, 3)
    assert all((row.float32 is None) == (optimizer == "Adam") for row in report.parameters)
    # A batch normalisation takes away what a bias before it adds.
    assert [row.name for row in report.parameters] == [name for name in names if name not in ("conv.bias",)]
    assert report.not_compared == ("steps of conv.bias (its gradient is 0, so rounding alone moves it)",)
    # Neither argument has changed.
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    for name, array in interop.state_dict(model).items():
        np.testing.assert_array_equal(array, ours[name])
    assert module.training


@pytest.mark.slow
def test_a_gradient_that_is_stopped_is_seen_in_the_gradients_alone():
    module, x = twice()
    import jax

    model = FlaxTwice(module, activation=lambda y: jax.nn.gelu(jax.lax.stop_gradient(y), approximate=False))
    report = interop.verify(module, model, x, gradients=True)
    assert all(row.equal for row in report.layers)
    first = report.first_difference
    assert (first.what, first.name) == ("gradient", "conv.weight")
    assert report.diagnosis.text == (
        "gradient of conv.weight is the first to differ although all outputs agree: look for a stop_gradient, a "
        "gradient rule of its own or a parameter that is held fast on one side."
    )


class Sequence(torch.nn.Module):
    """Tokens to a recurrent layer, whose output is nested."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(7, 4)
        self.recurrent = torch.nn.LSTM(8, 5, batch_first=True)

    def forward(self, tokens, extra):
        return self.recurrent(torch.cat([self.table(tokens), extra], -1))


class FlaxSequence(nnx.Module):
    def __init__(self, module):
        self.table = interop.from_torch(module.table)
        self.recurrent = interop.from_torch(module.recurrent)

    def __call__(self, tokens, extra):
        return self.recurrent(jnp.concatenate([self.table(tokens), extra], -1))


@pytest.mark.slow
def test_groups_of_parameters_and_frozen_ones():
    module, x = twice()
    module.head.bias.requires_grad_(False)
    weights = [parameter for name, parameter in module.named_parameters() if name.endswith("weight")]
    others = [parameter for name, parameter in module.named_parameters() if not name.endswith("weight")]
    optimizer = torch.optim.AdamW([{"params": others, "weight_decay": 0.0, "lr": 0.02}, {"params": weights}], lr=0.01)
    report = interop.verify(module, FlaxTwice(module), x, steps=3, optimizer=optimizer)
    assert report.equal, report.first_difference
    assert "head.bias" in [row.name for row in report.parameters]


@pytest.mark.slow
def test_sequences_and_nested_outputs():
    torch.manual_seed(0)
    module = Sequence()
    rng = np.random.default_rng(0)
    inputs = (rng.integers(0, 7, (2, 3)), rng.normal(size=(2, 3, 4)))
    report = interop.verify(module, FlaxSequence(module), inputs, channels=False, gradients=True)
    assert [row.name for row in report.layers] == [
        "table", "recurrent[0]", "recurrent[1][0]", "recurrent[1][1]", "[0]", "[1][0]", "[1][1]",
    ]  # fmt: skip
    assert report.equal, report.first_difference
    assert report.gradients[-1].name == "input 1"


@pytest.mark.slow
def test_what_only_one_side_has_is_listed():
    module, x = twice()
    model = FlaxTwice(module)
    module.head = torch.nn.Sequential(module.head, torch.nn.Identity())
    module.spare = torch.nn.Linear(2, 3)
    report = interop.verify(module, model, x)
    assert report.not_compared == ("head.0 (in PyTorch alone)", "head.1 (in PyTorch alone)", "spare (does not run)")
    assert report.equal


class Drop(nnx.Module):
    def __init__(self):
        self.drop = dilax.nn.Dropout(0.25, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.drop(x)


def messages():
    one = torch.nn.Linear(2, 3)
    flax = interop.from_torch(one)
    x = np.ones((4, 2))
    stepped = torch.optim.SGD(one.parameters(), momentum=0.9)
    one(torch.ones(4, 2)).sum().backward()
    stepped.step()
    dropping = torch.nn.Sequential()
    dropping.drop = torch.nn.Dropout(0.5)
    return [
        (
            (flax, one, x), {}, ArgumentError,
            "verify: torch_module='Linear' is no PyTorch module; pass the PyTorch module first, then the Flax model.",
        ),
        ((one, one, x), {}, ArgumentError, "verify: model='Linear' is no Flax NNX module; pass the Flax model second."),
        (
            (one, flax, x), {"steps": -1}, ArgumentError,
            "verify: steps=-1 is below 0; pass how many training steps to make.",
        ),
        (
            (dropping, Drop(), x), {"training": True}, DilaxError,
            "verify: training=True with dropouts, whose random masks cannot agree: drop (Dropout, p=0.5) in PyTorch, "
            "drop (Dropout, p=0.25) in Flax; build both models with dropout 0, or set it to 0 in each of these layers "
            "(p = 0.0 in PyTorch and dilax, rate = 0.0 in Flax).",
        ),
        (
            (one, flax, x), {"steps": 1, "optimizer": stepped}, DilaxError,
            "verify: the optimizer has made steps, so that it does not begin like a new one; pass a new optimizer.",
        ),
        (
            (one, flax, x), {"steps": 1, "optimizer": torch.optim.SGD(torch.nn.Linear(2, 3).parameters())}, DilaxError,
            "verify: the optimizer moves parameters that are not the module's; make it with torch_module.parameters().",
        ),
        (
            (one, flax, x), {"steps": 1, "optimizer": torch.optim.Rprop(one.parameters())}, ArgumentError,
            "TorchOptimizer: kind='Rprop' has no equal in JAX here (did you mean 'RMSprop'?); use one of SGD, Adam, "
            "AdamW, RMSprop, Adagrad.",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("index", range(7))
def test_messages(index):
    arguments, options, kind, message = messages()[index]
    with pytest.raises(kind) as caught:
        interop.verify(*arguments, **options)
    assert str(caught.value) == message
