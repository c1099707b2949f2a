"""Restores the newest step that counts of every run that is named on its standard input, a line each.

Of each it says, as a line of JSON, the step, what that holds, and which steps were skipped.
"""

import hashlib
import json
import sys
from typing import Any

import numpy as np

from dilax.train import Checkpoints


def state_of(step: int) -> dict[str, Any]:
    """What a step of these runs holds."""
    rng = np.random.default_rng(step)
    return {"w": rng.normal(size=(7, 11)), "list": [rng.integers(0, 99, 5), step], "name": f"step {step}"}


def digest(state: dict[str, Any]) -> str:
    """All bits of it."""
    held = state["w"].tobytes() + state["list"][0].tobytes() + repr((state["list"][1], state["name"])).encode()
    return hashlib.sha256(held).hexdigest()


def main() -> None:
    """Restore, one run after the other."""
    for line in sys.stdin:
        with Checkpoints(line.rstrip("\n")) as checkpoints:
            restored = checkpoints.restore_latest(state_of(0))
        print(json.dumps([restored.step, digest(restored.state), list(map(str, restored.skipped))]), flush=True)


if __name__ == "__main__":
    main()
