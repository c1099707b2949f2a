"""Batch normalisation over a batch that is spread: statistics, outputs and gradients are those of the whole batch."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax.nn import BatchNorm

X = np.random.default_rng(0).normal(3, 2, size=(4, 3, 5, 6)).astype(np.float32)

CHILD = """
import jax, jax.numpy as jnp, numpy as np
from functools import partial
from flax import nnx
from jax.sharding import Mesh, PartitionSpec as P
from dilax.nn import BatchNorm

assert len(jax.devices()) == 2
mesh = Mesh(np.array(jax.devices()), ("batch",))
x = jnp.asarray(np.random.default_rng(0).normal(3, 2, size=(4, 3, 5, 6)), jnp.float32)
graph, state = nnx.split(BatchNorm(6, axis_name="batch"))

@jax.jit
@partial(jax.shard_map, mesh=mesh, in_specs=(P(), P("batch")), out_specs=(P("batch"), P()))
def step(state, x):
    layer = nnx.merge(graph, state)
    return layer(x), nnx.state(layer)

whole = BatchNorm(6)
expected = whole(x)
found, state = step(state, x)
np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(nnx.state(whole)), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-6)

def spread_loss(x):
    return (step(nnx.state(BatchNorm(6)), x)[0] ** 3).sum()

def whole_loss(x):
    return (BatchNorm(6)(x) ** 3).sum()

np.testing.assert_allclose(jax.grad(spread_loss)(x), jax.grad(whole_loss)(x), rtol=0, atol=2e-5)
print("agrees")
"""


def test_over_an_axis_of_vmap():
    graph, state = nnx.split(BatchNorm(6, axis_name="batch"))

    def step(state, x):
        layer = nnx.merge(graph, state)
        return layer(x), nnx.state(layer)

    parts = jnp.asarray(X).reshape(2, 2, *X.shape[1:])
    found, states = jax.vmap(step, (None, 0), axis_name="batch")(state, parts)
    whole = BatchNorm(6)
    expected = np.asarray(whole(jnp.asarray(X)))
    np.testing.assert_allclose(found.reshape(X.shape), expected, rtol=0, atol=2e-6)
    for one, other in zip(jax.tree.leaves(states), jax.tree.leaves(nnx.state(whole)), strict=True):
        np.testing.assert_allclose(one, np.broadcast_to(other, one.shape), rtol=1e-6)


@pytest.mark.slow
def test_over_two_devices():
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2"}
    done = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "agrees\n"
