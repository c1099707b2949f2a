"""Initial values have PyTorch's distributions: bounds, means and deviations of many numbers."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

import interop
from dilax import nn

PAIRS = {
    "Linear": (lambda r: nn.Linear(300, 400, rngs=r), lambda: torch.nn.Linear(300, 400)),
    "Bilinear": (lambda r: nn.Bilinear(30, 40, 50, rngs=r), lambda: torch.nn.Bilinear(30, 40, 50)),
    "Embedding": (
        lambda r: nn.Embedding(300, 40, padding_idx=2, rngs=r),
        lambda: torch.nn.Embedding(300, 40, padding_idx=2),
    ),
    "LSTM": (lambda r: nn.LSTM(100, 90, proj_size=80, rngs=r), lambda: torch.nn.LSTM(100, 90, proj_size=80)),
    "MultiheadAttention": (
        lambda r: nn.MultiheadAttention(200, 2, kdim=150, add_bias_kv=True, rngs=r),
        lambda: torch.nn.MultiheadAttention(200, 2, kdim=150, add_bias_kv=True),
    ),
    "BatchNorm": (lambda r: nn.BatchNorm(300), lambda: torch.nn.BatchNorm2d(300)),
    "PReLU": (lambda r: nn.PReLU(3), lambda: torch.nn.PReLU(3)),
}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS)
def test_initial_values(ours, theirs):
    torch.manual_seed(0)
    expected = {name: array.numpy() for name, array in theirs().state_dict().items()}
    found = interop.state_dict(ours(nnx.Rngs(0)))
    assert list(found) == list(expected)
    for name, array in found.items():
        other = expected[name]
        spread = other.std()
        assert abs(array.mean() - other.mean()) <= 6 * spread / np.sqrt(array.size), name
        assert abs(array.std() - spread) <= 6 * spread / np.sqrt(array.size), name
        uniform = np.abs(other).max() < 1.8 * spread
        assert not uniform or np.abs(array).max() <= np.abs(other).max() * 1.05, name


def test_the_vector_for_padding_begins_at_zero():
    assert (nn.Embedding(5, 3, padding_idx=-1, rngs=nnx.Rngs(0)).embedding[...][4] == 0).all()


def test_an_index_outside_the_table_gives_no_vector():
    found = nn.Embedding(5, 3, rngs=nnx.Rngs(0))(jnp.asarray([-1, 4, 5]))
    np.testing.assert_array_equal(np.isnan(found).all(1), [True, False, True])
