"""Every layer in jit, in bfloat16, with a compute dtype, in a scan, and as text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax import nn

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(2, 4, 6)), jnp.float32)

LAYERS = {
    "PReLU": lambda r, **d: nn.PReLU(6, **d),
    "BatchNorm": lambda r, **d: nn.BatchNorm(6, **d),
    "FrozenBatchNorm": lambda r, **d: nn.FrozenBatchNorm(6, **d),
    "InstanceNorm": lambda r, **d: nn.InstanceNorm(6, affine=True, track_running_stats=True, **d),
    "GroupNorm": lambda r, **d: nn.GroupNorm(2, 6, **d),
    "LayerNorm": lambda r, **d: nn.LayerNorm((4, 6), **d),
    "RMSNorm": lambda r, **d: nn.RMSNorm(6, **d),
    "Linear": lambda r, **d: nn.Linear(6, 3, rngs=r, **d),
    "LSTM": lambda r, **d: nn.LSTM(6, 5, num_layers=2, dropout=0.5, proj_size=3, rngs=r, **d),
    "TransformerEncoderLayer": lambda r, **d: nn.TransformerEncoderLayer(6, 2, dim_feedforward=7, rngs=r, **d),
    "weight_norm": lambda r, **d: nn.weight_norm(nn.Linear(6, 3, rngs=r, **d)),
    "spectral_norm": lambda r, **d: nn.spectral_norm(nn.Linear(6, 3, rngs=r, **d), rngs=r),
}


# Those that take seconds to compile.
LONG = ("LSTM", "TransformerEncoderLayer")
CASES = [pytest.param(make, id=name, marks=pytest.mark.slow if name in LONG else ()) for name, make in LAYERS.items()]


def first(output):
    return output[0] if isinstance(output, tuple) else output


def distance(one, other):
    return float(jnp.abs(one.astype(jnp.float32) - other.astype(jnp.float32)).max())


@pytest.mark.parametrize("make", CASES)
def test_jit_equals_no_jit_also_in_state(make):
    inside, outside = make(nnx.Rngs(0)), make(nnx.Rngs(0))
    compiled = nnx.jit(lambda layer, x: first(layer(x)))
    for _ in range(2):
        assert distance(compiled(inside, X), first(outside(X))) < 1e-5
    for one, other in zip(jax.tree.leaves(nnx.state(inside)), jax.tree.leaves(nnx.state(outside)), strict=True):
        if not jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", CASES)
def test_bfloat16(make):
    exact = first(make(nnx.Rngs(0)).__call__(X))
    narrow = make(nnx.Rngs(0), dtype=jnp.bfloat16)
    own = first(narrow(X.astype(jnp.bfloat16)))
    assert own.dtype == jnp.bfloat16
    mixed = first(make(nnx.Rngs(0), compute_dtype=jnp.bfloat16)(X))
    assert mixed.dtype == jnp.bfloat16
    assert distance(mixed, exact) < 0.1
    assert all(x.dtype == jnp.bfloat16 for x in jax.tree.leaves(nnx.state(narrow, nnx.Param)))


@pytest.mark.parametrize("make", CASES)
def test_text_names_the_layer_and_its_arguments(make):
    layer = make(nnx.Rngs(0))
    text = repr(layer)
    assert text.startswith(type(layer).__name__)
    assert "shape=" in text
    assert "object at 0x" not in text


def test_statistics_of_bfloat16_are_computed_in_float32():
    x = jnp.asarray(RNG.normal(8, 0.1, size=(400, 3)), jnp.bfloat16)
    layer = nn.BatchNorm(3, momentum=1.0)
    assert layer(x).dtype == jnp.float32
    np.testing.assert_allclose(layer.var[...], np.var(np.asarray(x, np.float64), 0, ddof=1), rtol=1e-4)


def test_steps_in_a_scan_equal_steps_in_a_loop():
    def make():
        return nn.Sequential([nn.spectral_norm(nn.Linear(6, 6, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1)), nn.BatchNorm(6)])

    batches = jnp.asarray(RNG.normal(size=(3, 5, 6)), jnp.float32)
    looped, scanned = make(), make()
    expected = jnp.stack([looped(x) for x in batches])

    @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0))
    def steps(model, x):
        return model, model(x)

    scanned, found = steps(scanned, batches)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    for one, other in zip(jax.tree.leaves(nnx.state(scanned)), jax.tree.leaves(nnx.state(looped)), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
