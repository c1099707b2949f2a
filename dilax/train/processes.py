"""What one process finds out and all must know."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax._src import distributed
from jax.experimental import multihost_utils

from ..errors import DilaxError

# Seconds that the others wait for what the first process does.
_PATIENCE = 600
_count = itertools.count()


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


def done_by_first(work: Callable[[], None]) -> None:
    """Let the first process do something, while the others wait for its end without their devices.

    So it may go on beside computations. All call this equally often, in the same order.

    Args:
        work: Called in the first process alone.

    Raises:
        Exception: ``work`` raised it; an ``OSError`` of the same text in the others.
    """
    if jax.process_count() == 1:
        return work()
    client: Any = distributed.global_state.client  # JAX has no public way to its store of texts
    key = f"dilax/done-by-first/{next(_count)}"
    if not is_first():
        if failure := client.blocking_key_value_get(key, _PATIENCE * 1000)[1:]:
            raise OSError(failure)
        return None
    failure = "it was interrupted"
    try:
        work()
        failure = ""
    except Exception as error:
        failure = str(error) or type(error).__name__
        raise
    finally:
        client.key_value_set(key, f":{failure}")  # it takes no empty text
    return None


def _broadcast(text: bytes) -> bytes:
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    padded = np.zeros(length, np.uint8)
    if is_first():
        padded[:] = np.frombuffer(text, np.uint8)
    return bytes(np.asarray(multihost_utils.broadcast_one_to_all(padded)).astype(np.uint8))
