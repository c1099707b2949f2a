import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax import nn

LIMIT = -1.7580993408473766


def as_ones(layer, shape=(400, 5, 30)):
    return np.asarray(layer(jnp.ones(shape)))


@pytest.mark.parametrize("kind", [nn.Dropout, nn.FeatureDropout])
def test_a_share_is_dropped_and_the_rest_scaled(kind):
    y = as_ones(kind(0.3, rngs=nnx.Rngs(0)))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    dropped = (y == 0).mean()
    assert abs(dropped - 0.3) < 0.02
    whole = (y == y[:, :1]).all()
    assert whole == (kind is nn.FeatureDropout)


@pytest.mark.parametrize("kind", [nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_alpha_dropout_keeps_mean_and_variance(kind):
    layer = kind(0.3, rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2000, 3, 30)), jnp.float32)
    y = np.asarray(layer(x))
    assert abs(y.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02
    scale = 1 / np.sqrt((LIMIT**2 * 0.3 + 1) * 0.7)
    dropped = np.isclose(y, scale * LIMIT * 0.7, rtol=1e-4)
    assert abs(dropped.mean() - 0.3) < 0.02
    np.testing.assert_allclose(y[~dropped], (scale * x - scale * LIMIT * 0.3)[~dropped], rtol=1e-4, atol=1e-5)
    together = dropped.all(1) == dropped.any(1)  # a number that was kept may be near the limit by chance
    assert (together.mean() > 0.99) == (kind is nn.FeatureAlphaDropout)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.FeatureDropout, nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_nothing_and_everything_dropped_and_evaluation(kind):
    assert (as_ones(kind(0, rngs=nnx.Rngs(0))) == 1).all()
    assert (as_ones(kind(1, rngs=nnx.Rngs(0))) == 0).all()
    layer = kind(0.5, rngs=nnx.Rngs(0))
    layer.eval()
    assert (as_ones(layer) == 1).all()
    layer.train()
    assert (as_ones(layer) != as_ones(layer)).any()


def test_random_slopes_of_rrelu():
    layer = nn.RReLU(0.2, 0.6, rngs=nnx.Rngs(0))
    slopes = -np.asarray(layer(-jnp.ones(5000)))
    assert slopes.min() >= 0.2
    assert slopes.max() < 0.6
    assert abs(slopes.mean() - 0.4) < 0.01
    assert abs(slopes.std() - 0.4 / np.sqrt(12)) < 0.01
    assert (np.asarray(layer(jnp.ones(50))) == 1).all()


def test_dropout_between_the_layers_of_an_lstm():
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.9, rngs=nnx.Rngs(0))
    x = jnp.ones((5, 2, 3))
    assert (layer(x)[0] != layer(x)[0]).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0], layer(x)[0])
    single = nn.LSTM(3, 4, dropout=0.9, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(single(x)[0], single(x)[0])
