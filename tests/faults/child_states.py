"""Saves and restores states that no run of dilax made.

Usage: child_states.py DIRECTORY COMMAND ...; each command is one of those below, in order.
"""

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dilax.train import Checkpoints

ROWS, COLUMNS = 8, 6


def values(step: int) -> np.ndarray[Any, Any]:
    """What the array of a step holds."""
    return np.random.default_rng(step).normal(size=(ROWS, COLUMNS)).astype(np.float32)


def placed(step: int) -> dict[str, Any]:
    """A state over all devices there are: split by rows, by columns, not at all, and a random key."""
    mesh = Mesh(np.array(jax.devices()), ("x",))
    number = len(jax.devices())

    def put(value: np.ndarray[Any, Any], *axes: str | None) -> jax.Array:
        sharding = NamedSharding(mesh, PartitionSpec(*axes))
        return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

    split = "x" if ROWS % number == 0 else None
    keys = jax.jit(jax.random.key, out_shardings=NamedSharding(mesh, PartitionSpec()))
    return {
        "rows": put(values(step), split), "columns": put(values(step).T.copy(), None, split),
        "whole": put(values(step + 1)), "key": keys(step), "local": values(step + 2), "count": step,
    }  # fmt: skip


def check(state: dict[str, Any], target: dict[str, Any], step: int) -> None:
    """Compare every shard that this process holds with what was saved."""
    expected = {"rows": values(step), "columns": values(step).T, "whole": values(step + 1)}
    for name, value in expected.items():
        assert state[name].sharding == target[name].sharding, name
        for shard in state[name].addressable_shards:
            np.testing.assert_array_equal(np.asarray(shard.data), value[shard.index])
    for shard in jax.random.key_data(state["key"]).addressable_shards:
        np.testing.assert_array_equal(np.asarray(shard.data), jax.random.key_data(jax.random.key(step)))
    np.testing.assert_array_equal(state["local"], values(step + 2))
    assert state["count"] == step


def go(checkpoints: Checkpoints, steps: int) -> None:
    """Compute over all devices and save, step after step."""
    for step in range(1, steps + 1):
        state = placed(step)
        total = float(jax.jit(jnp.sum)(state["rows"]))
        checkpoints.save(step, state, metrics={"loss": 1 / step}, meta={"step": step})
        print("step", step, flush=True)
        assert np.isfinite(total)
        time.sleep(0.2)


def main(directory: str, *commands: str) -> None:
    """Do the commands: save:STEP, restore:STEP (the newest is to be this one), go:STEPS."""
    with Checkpoints(directory, keep=9) as checkpoints:
        for command in commands:
            name, _, argument = command.partition(":")
            step = int(argument)
            if name == "go":
                go(checkpoints, step)
            elif name == "save":
                assert checkpoints.save(step, placed(step), metrics={"loss": 1 / step}, meta={"step": step})
            else:
                target = placed(0)
                restored = checkpoints.restore_latest(target)
                assert (restored.step, restored.meta) == (step, {"step": step})
                check(restored.state, target, step)
                donate = jax.jit(lambda state: {**state, "rows": state["rows"] * 2}, donate_argnums=0)
                arrays = {name: leaf for name, leaf in restored.state.items() if isinstance(leaf, jax.Array)}
                total = jnp.sum(donate(arrays)["rows"])
                np.testing.assert_allclose(total, 2 * values(step).astype(np.float64).sum(), rtol=1e-5, atol=1e-5)
        last = checkpoints.last
    print(f"process {jax.process_index()} of {jax.process_count()}, {len(jax.devices())} devices, step {last}")


if __name__ == "__main__":
    if sys.argv[1] == "--processes":
        port, count, index = sys.argv[2:5]
        jax.distributed.initialize(f"localhost:{port}", int(count), int(index), heartbeat_timeout_seconds=10)
        main(*sys.argv[5:])
        jax.distributed.shutdown()
    else:
        main(*sys.argv[1:])
