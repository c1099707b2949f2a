"""Memory and time of filling an abstract model from a file: ``python -m tests.benchmarks.load``.

The file holds as many float32 weights of linear layers as are asked for; each measurement is a process of its own, in
turn, and medians are compared. Peak memory is what the process held at most, less what it held before. The file is in
the page cache: the disk is not measured. Reading makes a JAX array of its own memory of every tensor, as it is in the
file; loading lays each out as Flax has it besides. After both, every page of every array is touched.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .files import _memory

_COLUMNS = 200


def main() -> None:
    """Measure, or be one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--gigabytes", type=float, default=1.6)
    parser.add_argument("--tensors", type=int, default=500)
    parser.add_argument("--work", type=Path, help="where to put the file; a temporary directory otherwise")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measured(CHILDREN[arguments.child[0]], arguments.child[1])))
        return
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        path = Path(folder) / "big.pth"
        _make_file(path, int(arguments.gigabytes * 1e9 / 4 / arguments.tensors / _COLUMNS), arguments.tensors)
        size = path.stat().st_size
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in CHILDREN}
        for _ in range(arguments.repeats):
            for name in CHILDREN:
                runs[name].append(_child(name, path))
    seconds = {name: statistics.median(run["seconds"] for run in found) for name, found in runs.items()}
    for name, found in runs.items():
        peak = statistics.median(run["peak"] for run in found)
        spread = max(run["seconds"] for run in found) - min(run["seconds"] for run in found)
        print(f"{name:<8} {seconds[name]:.3f} s (spread {spread:.3f})  peak {peak / size:.3f} of the file's size")
    print(f"load, time over reading: {seconds['load'] / seconds['read']:.2f}")
    print(f"load, time over views of the file: {seconds['load'] / seconds['view']:.2f}")


def _make_file(path: Path, rows: int, tensors: int) -> None:
    from interop import write

    rng = np.random.default_rng(0)
    write(path, {f"{index}.weight": rng.random((rows, _COLUMNS), np.float32) for index in range(tensors)})


def _child(name: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.load", "--child", name, str(path)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


# What one process does: prepare, and give back what is measured, which gives the arrays.
_Step = Callable[[], list[Any]]


def _measured(prepare: Callable[[str], _Step], path: str) -> dict[str, float]:
    step = prepare(path)
    before = _memory("VmRSS")
    begin = time.perf_counter()
    for array in step():
        np.asarray(array).reshape(-1)[::1024].sum()
    return {"seconds": time.perf_counter() - begin, "peak": _memory("VmHWM") - before}


def _load(path: str) -> _Step:
    from flax import nnx

    import interop

    index = interop.read(path)
    shapes = [tensor.shape for tensor in index.values()]
    rngs = nnx.Rngs(0)
    model = nnx.eval_shape(lambda: nnx.List([nnx.Linear(i, o, use_bias=False, rngs=nnx.Rngs(0)) for o, i in shapes]))
    interop.load(nnx.Linear(1, 1, use_bias=False, rngs=rngs), {"weight": np.ones((1, 1), np.float32)})  # imports

    def step() -> list[Any]:
        interop.load(model, interop.read(path))
        return [layer.kernel.get_value() for layer in model]

    return step


def _read(path: str) -> _Step:
    import jax
    import jax.numpy as jnp

    from interop.files import read

    jax.block_until_ready(jnp.ones(3))

    def step() -> list[Any]:
        arrays = []
        for tensor in read(path).values():
            arrays.append(jax.block_until_ready(jnp.array(tensor.numpy())))
            tensor.storage.release()
        return arrays

    return step


def _view(path: str) -> _Step:
    import jax
    import jax.numpy as jnp

    from interop.files import read

    jax.block_until_ready(jnp.ones(3))
    return lambda: jax.block_until_ready([jnp.asarray(tensor) for tensor in read(path).values()])


CHILDREN: dict[str, Callable[[str], _Step]] = {"load": _load, "read": _read, "view": _view}


if __name__ == "__main__":
    main()
