import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

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
