import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from dilax.errors import ArgumentError
from dilax.nn import BatchNorm


def test_three_training_steps_and_evaluation_equal_torchs():
    rng = np.random.default_rng(1)
    theirs = torch.nn.BatchNorm2d(3, dtype=torch.float64)
    with jax.enable_x64(True):
        ours = BatchNorm(3, dtype=jnp.float64)
        ours.train()
        for _ in range(3):
            x = rng.normal(1e3, 2.0, size=(2, 4, 5, 3))  # a large mean shows a variance that cancels
            expected = theirs(torch.tensor(x).movedim(-1, 1)).movedim(1, -1).detach().numpy()
            np.testing.assert_allclose(ours(jnp.asarray(x)), expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.mean[...], theirs.running_mean, rtol=1e-12)
        np.testing.assert_allclose(ours.var[...], theirs.running_var, rtol=1e-12)
        assert int(ours.num_batches_tracked[...]) == int(theirs.num_batches_tracked) == 3
        ours.eval()
        theirs.eval()
        expected = theirs(torch.tensor(x).movedim(-1, 1)).movedim(1, -1).detach().numpy()
        np.testing.assert_allclose(ours(jnp.asarray(x)), expected, rtol=1e-12)


def test_one_value_a_channel_has_no_variance():
    with pytest.raises(ArgumentError) as caught:
        BatchNorm(3)(jnp.ones((1, 1, 1, 3)))
    assert str(caught.value) == (
        "BatchNorm: x=(1, 1, 1, 3) has one value for each channel, which has no variance; "
        "pass a larger batch, or call model.eval()."
    )


@pytest.mark.parametrize("var", [1.0, 0.37, 2.6, 1e-3])
def test_equal_variances_do_not_round_to_one_side(var):
    """As arguments of a program: constants are computed otherwise, before it runs."""
    layer = BatchNorm(64)
    layer.eval()
    layer.var[...] = jnp.full(64, var)
    graph, state = nnx.split(layer)
    x = np.random.default_rng(0).normal(size=(1, 50, 50, 64)).astype(np.float32)
    y = np.asarray(jax.jit(lambda state, x: nnx.merge(graph, state)(x))(state, x), np.float64)
    exact = x.astype(np.float64) / np.sqrt(float(np.float32(var)) + 1e-5)
    theirs = torch.nn.BatchNorm2d(64).eval()
    theirs.running_var.fill_(var)
    with torch.no_grad():
        z = theirs(torch.from_numpy(x).movedim(-1, 1)).movedim(1, -1).numpy().astype(np.float64)
    ours, torchs = (abs((found / exact - 1).mean()) for found in (y, z))
    assert ours <= torchs + 2.0**-28
