"""How long a loop stands still for its checkpoints: ``python -m tests.benchmarks.checkpoints``.

Of each size a state of float32 arrays is saved again and again, each time after the save before has ended, as a loop
does that saves now and then. What ``save`` takes is compared with copying the same arrays with NumPy alone; both make
arrays whose memory the operating system has to find. What a save takes in the background, and what a restore and its
verification take, is said besides. The page cache is warm, and the disk is flushed after each save.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from dilax.train import Checkpoints

_ARRAYS = 40


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--work", type=Path, help="where to put the checkpoints; a temporary directory otherwise")
    arguments = parser.parse_args()
    for megabytes in arguments.megabytes:
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            _measure(Path(folder), megabytes, arguments.repeats)


def _measure(folder: Path, megabytes: int, repeats: int) -> None:
    numbers = megabytes * 1_000_000 // 4 // _ARRAYS
    rng = np.random.default_rng(0)  # what is random is not compressed
    state = {f"layer{index}": jnp.asarray(rng.random(numbers, np.float32)) for index in range(_ARRAYS)}
    jax.block_until_ready(state)
    blocked, copied, behind = [], [], []
    with Checkpoints(folder, keep=1) as checkpoints:
        for step in range(repeats + 1):
            copied.append(_seconds(lambda: [np.array(array, copy=True) for array in state.values()]))
            blocked.append(_seconds(lambda step=step: checkpoints.save(step, state)))
            behind.append(checkpoints.wait() or 0.0)
    copy, save = statistics.median(copied[1:]), statistics.median(blocked[1:])
    print(f"{megabytes} MB: save blocks {save:.3f} s, {save / copy:.2f} times a copy ({copy:.3f} s); ", end="")
    print(f"{statistics.median(behind[1:]):.2f} s in the background")
    time.sleep(2.1)  # what is younger is hashed again
    with mock.patch("hashlib.file_digest", side_effect=hashlib.file_digest) as hashing, Checkpoints(folder) as resumed:
        found = _seconds(resumed.about_latest)
        restored = _seconds(lambda: resumed.restore_latest(state))
        assert resumed.last == repeats
        hashed = hashing.call_count
    files = sum(path.is_file() for path in (folder / str(repeats)).rglob("*")) - 1
    print(f"{megabytes} MB: resume verifies in {found:.2f} s and restores in {restored:.2f} s; ", end="")
    print(f"{hashed} files were hashed, and the manifest lists {files}")


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
