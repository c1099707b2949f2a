"""Linen modules as a whole: names, collections, what is called twice, and what is refused."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen as nn

import interop
from dilax.errors import DilaxError, MismatchError


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        x = nn.Conv(4, (3,), padding="VALID", name="conv")(x)
        return nn.BatchNorm(use_running_average=not train, name="norm")(x)


class Model(nn.Module):
    def setup(self):
        self.table = nn.Embed(6, 3)
        self.blocks = [Block(), Block()]
        self.tail = nn.Sequential([nn.Dense(5), nn.relu, nn.Dense(3)])
        self.scale = self.param("scale", nn.initializers.ones, (3,))
        self.cell = nn.RNN(nn.LSTMCell(4, param_dtype=float))
        self.dropout = nn.Dropout(0.5)

    def __call__(self, tokens, train=False):
        x = self.table(tokens)
        for block in self.blocks:
            x = block(x, train)
        x = self.dropout(self.cell(x), deterministic=not train)
        return self.table.attend(self.tail(x) * self.scale)


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(3))
        self.table = torch.nn.Embedding(6, 3)
        self.blocks = torch.nn.ModuleList()
        for channels in (3, 4):
            block = torch.nn.Module()
            block.conv, block.norm = torch.nn.Conv1d(channels, 4, 3), torch.nn.BatchNorm1d(4)
            self.blocks.append(block)
        self.cell = torch.nn.LSTM(4, 4, batch_first=True)
        self.tail = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))

    def forward(self, tokens):
        x = self.table(tokens).mT
        for block in self.blocks:
            x = block.norm(block.conv(x))
        x, _ = self.cell(x.mT)
        return self.tail(x) * self.scale @ self.table.weight.T


TOKENS = np.random.default_rng(0).integers(0, 6, (2, 9))


@pytest.fixture
def module():
    torch.manual_seed(0)
    module = Theirs().double().eval()
    for tensor in module.state_dict(keep_vars=True).values():
        if tensor.is_floating_point():
            tensor.data = torch.rand_like(tensor)
    module.cell.bias_hh_l0.data.zero_()
    return module


def renamed(key):
    return key.replace("blocks.", "blocks_")


def test_a_whole_module(module, caplog):
    state = {f"module.{key}": tensor.numpy() for key, tensor in module.state_dict().items()}
    with jax.enable_x64(True), caplog.at_level(logging.INFO, "interop.linen"):
        given = jax.ShapeDtypeStruct(TOKENS.shape, jnp.int64), True
        variables = interop.to_linen(
            Model(), {"model": state, "epoch": 3}, *given, dtype=np.float64,
            rename=lambda key: renamed(key).removeprefix("module."),
        )  # fmt: skip
        assert set(variables) == {"params", "batch_stats"}
        expected = module(torch.tensor(TOKENS)).detach().numpy()
        np.testing.assert_allclose(Model().apply(variables, TOKENS), expected, rtol=0, atol=1e-12)
        back = interop.from_linen(Model(), variables, TOKENS)
    assert "BatchNorm: use_fast_variance=True, momentum=0.99; PyTorch's default is" in caplog.text
    assert {renamed(key) for key in module.state_dict()} == set(back)
    for key, tensor in module.state_dict().items():
        if not key.endswith("tracked"):
            assert back[renamed(key)].tobytes() == tensor.numpy().tobytes()


def test_what_does_not_fit_is_listed(module):
    state = {renamed(key): tensor.numpy() for key, tensor in module.state_dict().items()}
    state["tail.0.wieght"] = state.pop("tail.0.weight")
    with pytest.raises(MismatchError) as caught:
        interop.to_linen(Model(), state, TOKENS, dtype=np.float32)
    assert str(caught.value) == (
        "to_linen: the state_dict and the Model differ in 2 places; build the model with the checkpoint's options, "
        "or pass the checkpoint of this model.\n"
        "  missing: tail.0.weight [5, 4] (did you mean 'tail.0.wieght'?)\n"
        "  unexpected: tail.0.wieght [5, 4] (did you mean 'tail.0.weight'?)"
    )
    with pytest.raises(MismatchError) as caught:
        interop.from_linen(nn.Dense(3), {"params": {"kernel": np.ones((4, 2))}}, np.ones((1, 4)))
    assert str(caught.value) == (
        "from_linen: the variables and the Dense differ in 2 places; "
        "pass the variables that module.init gives for these inputs.\n"
        "  shape: params/kernel is [4, 2], the module's [4, 3]\n"
        "  missing: params/bias [3]"
    )


class Stack(nn.Module):
    @nn.compact
    def __call__(self, x):
        def step(layer, carry, _):
            return layer(carry), None

        scanned = nn.scan(step, variable_axes={"params": 0}, split_rngs={"params": True}, length=2)
        return scanned(nn.Dense(3), x, None)[0]


def test_arrays_that_a_scan_stacks_are_refused():
    with pytest.raises(DilaxError) as caught:
        interop.to_linen(Stack(), {"x": np.ones(3)}, np.ones((1, 3), np.float32))
    assert str(caught.value) == (
        "interop: Dense_0.bias holds the arrays of several layers, as nn.scan and nn.vmap stack them, and PyTorch has "
        "one for each; write the layers out."
    )


def test_other_layers_are_refused_by_name():
    with pytest.raises(DilaxError) as caught:
        interop.to_linen(nn.Sequential([nn.ConvLocal(3, (2,))]), {"x": np.ones(3)}, np.ones((1, 5, 3), np.float32))
    assert str(caught.value) == (
        "interop: no rule says what PyTorch calls 0 (ConvLocal).bias, 0 (ConvLocal).kernel; "
        "build the model of layers that interop.rules names."
    )


def test_a_layer_that_is_rematerialized_has_its_rule():
    x = np.ones((1, 3), np.float32)
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    module = nn.remat(nn.Dense)(2, use_bias=False)
    variables = interop.to_linen(module, {"weight": weight}, x)
    np.testing.assert_array_equal(variables["params"]["kernel"], weight.T)


def test_partitioned_arrays_lose_their_boxes():
    module = nn.Dense(2, use_bias=False, kernel_init=nn.with_partitioning(nn.initializers.ones, (None, "model")))
    x, weight = np.ones((1, 3), np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)
    variables = interop.to_linen(module, {"weight": weight}, x)
    np.testing.assert_array_equal(variables["params"]["kernel"], weight.T)
    assert interop.from_linen(module, module.init(jax.random.key(0), x), x)["weight"].shape == (2, 3)
