"""Convolutions on several devices give what one device gives, whatever the kind of the mesh's axes."""

import subprocess
import sys

import pytest

CODE = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from dilax.ops import conv, conv_transpose

rng = np.random.default_rng(0)
x = jnp.asarray(rng.normal(size=(4, 7, 8, 6)), jnp.float32)
kernel = jnp.asarray(rng.normal(size=(3, 3, 6, 6)), jnp.float32)

def loss(x, kernel):
    y = conv(x, kernel, padding=2, dilation=2)
    return (conv_transpose(y, kernel, stride=2) ** 2).sum()

expected = jax.grad(loss, (0, 1))(x, kernel)
kind = AxisType.{kind}
mesh = jax.make_mesh((2,), ("data",), axis_types=(kind if kind != AxisType.Manual else AxisType.Auto,))
with jax.set_mesh(mesh):
    sharded = jax.device_put(x, NamedSharding(mesh, P("data")))
    replicated = jax.device_put(kernel, NamedSharding(mesh, P()))
    if kind == AxisType.Manual:
        found = jax.shard_map(
            lambda x, k: jax.grad(lambda x, k: jax.lax.psum(loss(x, k), "data"), (0, 1))(x, k),
            mesh=mesh, in_specs=(P("data"), P()), out_specs=(P("data"), P()),
        )(sharded, replicated)
    else:
        found = jax.jit(jax.grad(loss, (0, 1)))(sharded, replicated)
for one, other in zip(found, expected):
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-4, atol=1e-4 * float(abs(other).max()))
print("same")
"""


@pytest.mark.parametrize("kind", ["Auto", "Explicit", "Manual"])
def test_two_devices_agree_with_one(kind):
    code = "import os\nos.environ['JAX_NUM_CPU_DEVICES'] = '2'\n" + CODE.replace("{kind}", kind)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "same"), run.stderr
