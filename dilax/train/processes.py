"""What one process finds out and all must know."""

import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from ..errors import DilaxError


def is_first() -> bool:
    """Whether this process is the one that writes what is written once."""
    return jax.process_index() == 0


def from_first(find: Callable[[], Any]) -> Any:
    """Let the first process find something out and tell the others; all call this together.

    Args:
        find: Gives plain JSON; called in the first process alone.

    Raises:
        DilaxError: ``find`` raised it, and all raise it.
    """
    if jax.process_count() == 1:
        return find()
    told: dict[str, Any] = {}
    failed: DilaxError | None = None
    if is_first():
        try:
            told = {"found": find()}
        except DilaxError as error:
            failed, told = error, {"error": str(error)}
    answer = json.loads(_broadcast(json.dumps(told).encode()))
    if failed is not None:
        raise failed
    if "error" in answer:
        raise DilaxError(answer["error"])
    return answer["found"]


def _broadcast(text: bytes) -> bytes:
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    padded = np.zeros(length, np.uint8)
    if is_first():
        padded[:] = np.frombuffer(text, np.uint8)
    return bytes(np.asarray(multihost_utils.broadcast_one_to_all(padded)).astype(np.uint8))
