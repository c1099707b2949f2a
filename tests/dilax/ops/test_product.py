"""Products of vectors and a matrix against float64, and their rounding against PyTorch's."""

import jax
import numpy as np
import pytest
import torch

from dilax.ops.product import product


def operands(rows, length, width, seed=0):
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.standard_normal((*rows, length)), 0).astype(np.float32)
    return x, rng.standard_normal((length, width)).astype(np.float32)


@pytest.mark.parametrize(
    ("rows", "length", "width"), [((2,), 2048, 7), ((), 768, 5), ((3, 2), 1500, 4), ((2,), 1031, 3), ((0,), 512, 3)]
)
def test_products_and_gradients_are_float64s(rows, length, width):
    x, matrix = operands(rows, length, width)
    weights = np.random.default_rng(1).standard_normal((*rows, width)).astype(np.float32)
    found = product(x, matrix)
    np.testing.assert_allclose(found, x.astype(np.float64) @ matrix, rtol=0, atol=1e-4)
    gradients = jax.grad(lambda *both: (product(*both) * weights).sum(), argnums=(0, 1))(x, matrix)
    np.testing.assert_allclose(gradients[0], weights.astype(np.float64) @ matrix.T, rtol=0, atol=1e-5)
    flat = x.reshape(-1, length).T.astype(np.float64) @ weights.reshape(-1, width)
    np.testing.assert_allclose(gradients[1], flat, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "length", "width"),
    [((2,), 2048, 7), ((2,), 512, 3), ((64,), 2048, 64), ((4,), 1280, 1000), ((2,), 1031, 5)],
)
def test_small_products_are_no_further_from_float64_than_pytorchs(rows, length, width):
    compiled, errors = jax.jit(product), []
    for seed in range(10):
        x, matrix = operands(rows, length, width, seed)
        exact = x.astype(np.float64) @ matrix
        theirs = (torch.tensor(x) @ torch.tensor(matrix)).numpy()
        errors.append([np.abs(result - exact).max() for result in (np.asarray(compiled(x, matrix)), theirs)])
    ours, theirs = np.mean(errors, axis=0)
    assert ours <= theirs
