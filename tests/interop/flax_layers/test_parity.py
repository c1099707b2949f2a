"""Layers of Flax itself, filled from layers of torch.nn: equal outputs in float64, and the same state_dict back."""

import jax
import numpy as np
import pytest
import torch
from flax import nnx

import interop

from .cases import CASES

LIMIT = 1e-12
QUICK = ("Conv", "ConvTranspose", "BatchNorm", "LSTMCell", "attention")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]


def reference(name, *, b_hn=True):
    """PyTorch's layer with random numbers, and its inputs and output as Flax has them."""
    case = CASES[name]
    torch.manual_seed(3)
    module = case.theirs().double().eval()
    for key, tensor in module.state_dict(keep_vars=True).items():
        if tensor.is_floating_point():
            tensor.data = torch.rand_like(tensor) + (0.5 if key.endswith("var") else -0.5)
        elif tensor.ndim == 0:
            tensor.data += 17
        if not b_hn and key.startswith("bias_hh"):
            tensor.data[-len(tensor) // 3 :] = 0
    inputs = [torch.randn(shape, dtype=torch.float64) for shape in case.shapes]
    if name == "Embed":
        inputs = [torch.randint(0, 6, case.shapes[0])]
    with torch.no_grad():
        y = case.call(module, *inputs)
    move = (lambda array: np.moveaxis(array.numpy(), 1, -1)) if case.channels else (lambda array: array.numpy())
    return module, [move(x) for x in inputs], move(y)


def numpy_state(module):
    return {key: tensor.numpy() for key, tensor in module.state_dict().items()}


def assert_equal(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= LIMIT * np.abs(expected).max()


def bits(layer):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(nnx.state(layer, nnx.Not(nnx.RngState)))]


def assert_same_state(found, expected):
    """Keys, dtypes and bits, where Flax has as many numbers as PyTorch."""
    assert set(found) == set(expected)
    for key, array in expected.items():
        if key.startswith("bias_hh") or key.endswith("num_batches_tracked"):
            continue  # what Flax has no equal of is told by the test of the report
        if key.startswith("bias_ih"):
            array = array + expected[key.replace("_ih", "_hh")] * summed(key, expected)
        assert found[key].dtype == array.dtype
        assert found[key].tobytes() == np.ascontiguousarray(array).tobytes(), key


def summed(key, state):
    """1 for each bias that Flax adds to the other, 0 for those of a GRU's new gate."""
    mask = np.ones(len(state[key]))
    if len(mask) == 12:
        mask[8:] = 0
    return mask


@pytest.mark.parametrize("name", NAMES)
def test_nnx(name):
    case = CASES[name]
    module, inputs, expected = reference(name, b_hn="GRU" not in name and "Bidirectional" not in name)
    with jax.enable_x64(True):
        layer = nnx.eval_shape(lambda: case.nnx(nnx.Rngs(0)))
        interop.load(layer, numpy_state(module), dtype=np.float64)
        assert not [leaf for leaf in jax.tree.leaves(nnx.state(layer)) if isinstance(leaf, jax.ShapeDtypeStruct)]
        assert_same_state(interop.state_dict(layer), numpy_state(module))
        before = bits(layer)
        again = nnx.eval_shape(lambda: case.nnx(nnx.Rngs(0)))
        interop.load(again, interop.state_dict(layer), dtype=np.float64)
        assert bits(again) == before
        assert_equal(np.asarray(case.run(layer, *inputs)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_linen(name):
    case = CASES[name]
    module, inputs, expected = reference(name)
    with jax.enable_x64(True):
        layer = case.linen()
        given = case.arguments(*inputs)
        variables = interop.to_linen(layer, numpy_state(module), *given, dtype=np.float64)
        assert_same_state(interop.from_linen(layer, variables, *given), numpy_state(module))
        found = layer.apply(variables, *given)
        assert_equal(np.asarray(found[1] if isinstance(found, tuple) else found), expected)
