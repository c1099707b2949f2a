"""A training loop that is not dilax's, small and quick, with all that a resume can lose; it may be killed or stalled.

Usage: child_loop.py DIRECTORY STEPS [FAULT ...]; a fault is one of faults.py, or "open:0", which leaves the checkpoints
open at the end.
"""

import hashlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from faults import bring_about

from dilax.train import Checkpoints

SIZE = 40_000


def initial() -> dict[str, Any]:
    """The state before the first step."""
    return {"weights": jnp.zeros((4, SIZE)), "key": jax.random.key(1), "sum": 0.0, "log": np.zeros(3)}


@jax.jit
def advance(weights: jax.Array, key: jax.Array, batch: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One step: everything of the past shows in the result."""
    key, now = jax.random.split(key)
    return weights * 0.9 + batch[:, None] * jax.random.normal(now, weights.shape), key


def step_of(state: dict[str, Any], position: int) -> dict[str, Any]:
    """A step on the batch that a data iterator at this position gives."""
    batch = np.random.default_rng(position).normal(size=4).astype(np.float32)
    weights, key = advance(state["weights"], state["key"], batch)
    return {"weights": weights, "key": key, "sum": state["sum"] + float(batch[0]), "log": state["log"] + position}


def digest(state: dict[str, Any]) -> str:
    """All bits of a state."""
    arrays = [np.asarray(state["weights"]), np.asarray(jax.random.key_data(state["key"])), state["log"]]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays) + repr(state["sum"]).encode()).hexdigest()


def run(checkpoints: Checkpoints, steps: int) -> None:
    """Go on from the newest step that counts, or begin; save every second step and the last."""
    state, step = initial(), 0
    if checkpoints.last is not None:
        restored = checkpoints.restore_latest(state)
        state, step = restored.state, restored.step
        print("skipped", "; ".join(map(str, restored.skipped)) or "nothing", flush=True)
        assert restored.meta == {"position": step}
    print("at", step, flush=True)
    while step < steps:
        state = step_of(state, step)
        step += 1
        print("step", step, flush=True)
        metrics = {"loss": abs(state["sum"])}
        checkpoints.save(step, state, metrics=metrics, meta={"position": step}, force=step == steps)
    print("ends", digest(state), flush=True)


def main(directory: str, steps: str, *faults: str) -> None:
    """Run, with the faults."""
    others = bring_about(faults)
    checkpoints = Checkpoints(directory, every=2, keep=2, keep_best=1, metric="loss", mode="min")
    run(checkpoints, int(steps))
    if "open" not in others:
        checkpoints.close()
    print("closed", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
