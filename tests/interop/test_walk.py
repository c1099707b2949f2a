"""Keys of models that a user writes: containers, parameters of one's own, subclasses, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

import interop
from dilax import nn
from dilax.errors import DilaxError
from interop import rules


class Mine(nnx.Module):
    def __init__(self, rngs):
        self.scale = nnx.Param(jnp.arange(6.0).reshape(2, 3))
        self.seen = nnx.BatchStat(jnp.ones(2))
        self.head = nn.Linear(3, 4, rngs=rngs)
        self.blocks = nnx.Dict(first=nn.Sequential([nn.Conv(3, 2, (3,), rngs=rngs), nn.ReLU(), nn.Dropout(rngs=rngs)]))
        self.steps = nnx.List([nnx.Param(jnp.zeros(3)), nn.PReLU()])


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.rand(2, 3))
        self.register_buffer("seen", torch.rand(2))
        self.head = torch.nn.Linear(3, 4)
        first = torch.nn.Sequential(torch.nn.Conv1d(3, 2, 3), torch.nn.ReLU(), torch.nn.Dropout())
        self.blocks = torch.nn.ModuleDict({"first": first})
        self.steps = torch.nn.ModuleList([torch.nn.Module(), torch.nn.PReLU()])


def test_a_users_module_has_the_keys_of_its_attributes():
    ours, theirs = Mine(nnx.Rngs(0)), Theirs()
    state = {name: array.numpy() for name, array in theirs.state_dict().items()} | {"steps.0": np.ones(3, np.float32)}
    interop.load(ours, state)
    found = interop.state_dict(ours)
    assert set(found) == set(state)
    for name, array in found.items():
        np.testing.assert_array_equal(array, state[name], strict=True)
    np.testing.assert_array_equal(ours.scale[...], state["scale"])


def test_a_subclass_of_a_layer_has_its_rule():
    class Wide(nn.Linear):
        pass

    assert interop.state_dict(Wide(3, 4, rngs=nnx.Rngs(0)))["weight"].shape == (4, 3)


@pytest.mark.parametrize("kind", [nnx.Einsum, type("Subclass", (nnx.Einsum,), {})])
def test_a_layer_of_flax_is_refused_because_its_layout_is_not_known(kind):
    with pytest.raises(DilaxError) as caught:
        interop.state_dict(nnx.List([kind("ab,bc->ac", (3, 4), (4,), rngs=nnx.Rngs(0))]))
    name = kind.__name__
    assert str(caught.value) == (
        f"interop: no rule says what PyTorch calls 0 ({name}).kernel, 0 ({name}).bias; "
        "build the model of layers that interop.rules names."
    )


def test_a_users_module_may_normalise_a_parameter_of_its_own():
    class Own(nnx.Module):
        def __init__(self):
            self.matrix = nnx.Param(jnp.arange(1.0, 7.0).reshape(2, 3))

    ours = nn.weight_norm(Own(), "matrix", dim=0, form="hook")
    found = interop.state_dict(ours)
    assert list(found) == ["matrix_g", "matrix_v"]
    np.testing.assert_allclose(found["matrix_g"][:, 0], [14**0.5, 77**0.5], rtol=1e-6)
    np.testing.assert_allclose(ours.matrix[...], jnp.arange(1.0, 7.0).reshape(2, 3), rtol=1e-6)


def test_modules_of_a_model_are_those_that_pytorch_has():
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(
        nnx.RNN(nnx.LSTMCell(3, 4, rngs=rngs), rngs=rngs),
        nnx.List([nnx.MultiHeadAttention(2, 4, rngs=rngs), nn.Sequential([nn.Linear(4, 2, rngs=rngs)])]),
        nnx.WeightNorm(nnx.Linear(2, 2, rngs=rngs), rngs=rngs),
    )
    assert [(name, type(module).__name__) for name, module in rules.modules(model)] == [
        ("", "Sequential"), ("0", "RNN"), ("1", "List"), ("1.0", "MultiHeadAttention"), ("1.1", "Sequential"),
        ("1.1.0", "Linear"), ("2", "WeightNorm"),
    ]  # fmt: skip


def test_paths_are_those_of_the_state():
    model = Mine(nnx.Rngs(0))
    state = dict(nnx.to_flat_state(nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))))
    entries = rules.entries(model)
    assert {slot.path for entry in entries for slot in entry.slots} == set(state)
    arrays = rules.to_flax(entries, interop.state_dict(model))
    for path, variable in state.items():
        np.testing.assert_array_equal(arrays[path], variable[...])
    back = rules.to_torch(entries, arrays)
    assert list(back) == list(interop.state_dict(model))


def test_references_back_are_not_followed():
    model = Mine(nnx.Rngs(0))
    keys = list(interop.state_dict(model))
    model.head.owner = model
    assert list(interop.state_dict(model)) == keys
