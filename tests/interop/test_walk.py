"""Keys of models that a user writes: containers, parameters of one's own, subclasses, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

import interop
from dilax import nn
from dilax.errors import DilaxError


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
