"""Initial values that are asked for by argument, and those of large arrays."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax.nn import Conv, ConvTranspose, Linear, initial


@pytest.mark.parametrize(
    "make",
    [
        lambda **inits: Conv(3, 5, (3, 2), rngs=nnx.Rngs(0), **inits),
        lambda **inits: ConvTranspose(3, 5, (3, 2), rngs=nnx.Rngs(0), **inits),
        lambda **inits: Linear(3, 5, rngs=nnx.Rngs(0), **inits),
    ],
)
def test_kernel_and_bias_begin_as_they_are_asked_to(make):
    usual = make()
    layer = make(kernel_init=nnx.initializers.kaiming_normal(), bias_init=nnx.initializers.constant(0.25))
    expected = nnx.initializers.kaiming_normal()(nnx.Rngs(0).params(), usual.kernel.shape)
    np.testing.assert_array_equal(layer.kernel[...], expected)
    np.testing.assert_array_equal(layer.bias[...], np.full(5, 0.25, np.float32))
    assert not np.array_equal(usual.kernel[...], layer.kernel[...])


@pytest.mark.parametrize("make", [initial.gaussian(0.3), initial.symmetric(0.3 * 3**0.5)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64, jnp.bfloat16])
def test_large_arrays_have_other_numbers_in_every_part(make, dtype):
    with jax.enable_x64(True):
        values = np.asarray(make(jax.random.key(3), (5, 2**9, 2**10), dtype).astype(jnp.float64)).reshape(5, -1)
    assert np.abs(values.mean(1)).max() < 6 * 0.3 / values.shape[1] ** 0.5
    np.testing.assert_allclose(values.std(1), 0.3, rtol=0.01)
    assert np.abs(np.corrcoef(values) - np.eye(5)).max() < 6 / values.shape[1] ** 0.5


def test_large_arrays_are_the_same_whatever_the_number_of_threads(monkeypatch):
    shape = (3, 2**10, 2**10)
    expected = initial.fan_out(jax.random.key(3), shape)
    monkeypatch.setattr(initial, "threads", partial(ThreadPoolExecutor, max_workers=1))
    np.testing.assert_array_equal(initial.fan_out(jax.random.key(3), shape), expected)


def test_a_step_may_take_the_memory_of_initial_values():
    begin = initial.fan_out(jax.random.key(3), (3, 5, 7))
    expected = np.array(begin) + 1
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    np.testing.assert_array_equal(step(begin), expected)
    assert initial.symmetric(1.0)(jax.random.key(3), (0, 4)).shape == (0, 4)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_normal_numbers_are_normal_and_independent(dtype):
    with jax.enable_x64(True):
        shape = (5, initial._CACHED)  # what is drawn at once is a row
        values = np.asarray(initial.gaussian(0.3)(jax.random.key(5), shape, dtype)).astype(np.float64) / 0.3
    for bound in (0.5, 1, 2, 3, 4):
        share = math.erf(bound / 2**0.5)
        for row in values:
            for side in (row, -row):
                expected, count = (1 - share) / 2, row.size
                assert abs((side > bound).mean() - expected) < 5 * (expected / count) ** 0.5 + 1 / count
    half = values.reshape(5, 2, -1)
    for power in (1, 2):  # the two of a pair, which have one radius
        powers = half**power
        assert max(abs(np.corrcoef(*pair)[0, 1]) for pair in powers) < 5 / half.shape[2] ** 0.5


@pytest.mark.parametrize(("dtype", "bits"), [(jnp.float32, 23), (jnp.float64, 52)])
def test_uniform_numbers_are_uniform_to_the_last_bit(dtype, bits):
    with jax.enable_x64(True):
        values = np.asarray(initial.symmetric(0.5)(jax.random.key(5), (5, initial._CACHED + 1), dtype)) + 0.5
    assert values.min() >= 0
    assert values.max() < 1
    steps = values.astype(np.float64).ravel() * 2.0**bits
    np.testing.assert_array_equal(steps, np.floor(steps))
    limit = 5 * 0.5 / steps.size**0.5
    for bit in range(bits):
        assert abs((np.floor(steps / 2.0**bit) % 2).mean() - 0.5) < limit
