import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dilax.ops.sums import mean, spread, total

RNG = np.random.default_rng(0)


def test_a_sum_of_many_terms_is_rounded_once():
    x = RNG.normal(1, 1, size=(7, 40, 30, 5)).astype(np.float32)
    exact = np.sum(x, (0, 2), dtype=np.float64)
    np.testing.assert_array_equal(total(jnp.asarray(x), (0, 2)), exact.astype(np.float32))
    np.testing.assert_allclose(mean(jnp.asarray(x), (0, 2)), (exact / 210).astype(np.float32), rtol=0)


def test_the_gradient_of_a_parameter_that_is_spread_is_rounded_once():
    cotangent = RNG.normal(size=(7, 40, 30, 5)).astype(np.float32)
    bias = jnp.zeros(5)
    gradient = jax.jit(jax.grad(lambda bias: (spread(bias, cotangent.shape) * cotangent).sum()))(bias)
    np.testing.assert_array_equal(gradient, np.sum(cotangent, (0, 1, 2), dtype=np.float64).astype(np.float32))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_dtypes_stay(dtype):
    x = jnp.asarray(RNG.normal(size=(3, 4)), dtype)
    assert total(x, (0,)).dtype == spread(x, (2, 3, 4)).dtype == dtype


def test_derivatives_of_every_order_and_batches():
    x = jnp.asarray(RNG.normal(size=(2, 3)), jnp.float32)
    shape = (2, 4, 3, 5)

    def cubes(x):
        return (spread(x, shape, (1, 3)) ** 3).sum()

    np.testing.assert_allclose(jax.grad(cubes)(x), 60 * x**2, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda x: jax.grad(cubes)(x).sum())(x), 120 * x, rtol=1e-6)
    np.testing.assert_allclose(jax.jvp(cubes, (x,), (x,))[1], (60 * x**3).sum(), rtol=1e-5)
    each = jax.vmap(lambda x: total(spread(x, (4, 3), (0,)), (0,)), in_axes=1, out_axes=1)
    np.testing.assert_allclose(each(jnp.stack([x[0], 2 * x[1]], 1)), 4 * jnp.stack([x[0], 2 * x[1]], 1), rtol=1e-6)
