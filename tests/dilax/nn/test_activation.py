import jax
import jax.numpy as jnp
import numpy as np
import torch

from dilax.nn import ELU


def test_float32_elu_is_as_near_the_truth_as_torchs():
    x = np.random.default_rng(0).normal(0, 3, size=20000).astype(np.float32)
    x[:4] = [0.0, -0.0, -200.0, -1e-8]
    truth = np.where(x > 0, x, np.expm1(x.astype(np.float64)))
    ours = np.asarray(ELU()(jnp.asarray(x)))
    theirs = torch.nn.functional.elu(torch.tensor(x)).numpy()

    def error(y):
        return np.sqrt(np.mean((y - truth) ** 2))

    assert error(ours) <= 1.1 * error(theirs)


def test_the_slope_of_elu_is_torchs():
    x = np.random.default_rng(1).normal(0, 3, size=1000).astype(np.float32)
    variable = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.elu(variable).sum().backward()
    slope = jax.grad(lambda x: ELU()(x).sum())(jnp.asarray(x))
    np.testing.assert_allclose(slope, variable.grad, rtol=0, atol=2e-7)
