"""Time checkpoint files against PyTorch and safetensors: ``python -m tests.benchmarks.files --output docs/benchmarks``.

Every measurement is a process of its own, in turn; medians are compared. Peak memory is what the process held at most,
less what it held before. The files are in the page cache: the disk is not measured. After reading, every page of every
array is touched, so that nothing that is put off counts as done.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# How long ``dilax inspect`` takes from the start of Python, for the large file, as many small arrays, and one.
_INSPECTED = {
    "inspect, the large file": "big.pth",
    "inspect, as many small arrays": "small.pth",
    "inspect, one array": "one.pth",
}
# Numbers from one page to the next.
_PAGE = 1024


def main() -> None:
    """Measure, or be one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--gigabytes", type=float, default=1.6)
    parser.add_argument("--tensors", type=int, default=500)
    parser.add_argument("--work", type=Path, help="where to put the files; a temporary directory otherwise")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measured(CHILDREN[arguments.child[0]], arguments.child[1])))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        found = _compare(Path(folder), arguments.repeats, arguments.gigabytes, arguments.tensors)
    (arguments.output / "files.json").write_text(json.dumps(found, indent=1) + "\n")


def _compare(folder: Path, repeats: int, gigabytes: float, tensors: int) -> dict[str, Any]:
    import torch

    _make_files(folder, gigabytes, tensors)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in (*CHILDREN, *_INSPECTED)}
    for _ in range(repeats):
        for name in CHILDREN:
            runs[name].append(_child(name, folder / ("big.safetensors" if "safetensors" in name else "big.pth")))
        for name, file in _INSPECTED.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-m", "dilax", "inspect", folder / file], check=True, capture_output=True)
            runs[name].append({"seconds": time.perf_counter() - begin})
    size = gigabytes * 1e9
    summary = {name: _summary(found, size) for name, found in runs.items()}
    for name, row in summary.items():
        print(f"{name:<42}" + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
    ratios = {
        "torch file to JAX, time over torch.load and copies": ("read torch, JAX", "torch.load, NumPy"),
        "safetensors to JAX, time over safetensors.flax": ("read safetensors, JAX", "safetensors.flax"),
        "safetensors to NumPy, time over safetensors.numpy": ("read safetensors, NumPy copies", "safetensors.numpy"),
        "write torch, time over torch.save": ("write torch", "torch.save"),
    }
    over = {text: summary[ours]["seconds"] / summary[theirs]["seconds"] for text, (ours, theirs) in ratios.items()}
    for text, ratio in over.items():
        print(f"{text}: {ratio:.2f}")
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "gigabytes": gigabytes,
        "tensors": tensors,
        "repeats": repeats,
        "load": os.getloadavg()[1],
    }
    return {"about": about, "medians": summary, "ratios": over}


def _make_files(folder: Path, gigabytes: float, tensors: int) -> None:
    import torch
    from safetensors.torch import save_file

    count = int(gigabytes * 1e9 / 4 / tensors)
    torch.manual_seed(0)
    saved = {f"layer{index}.weight": torch.randn(count // 200, 200) for index in range(tensors)}
    torch.save(saved, folder / "big.pth")
    save_file(saved, folder / "big.safetensors")
    torch.save({name: tensor[:1].clone() for name, tensor in saved.items()}, folder / "small.pth")
    torch.save({"one": torch.ones(3)}, folder / "one.pth")


def _child(name: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.files", "--child", name, str(path)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def _summary(runs: list[dict[str, float]], size: float) -> dict[str, float]:
    row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    row["spread"] = (max(run["seconds"] for run in runs) - min(run["seconds"] for run in runs)) / row["seconds"]
    if "peak_bytes" in row:
        row["peak_over_arrays"] = row.pop("peak_bytes") / size
    return row


def _memory(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


# What one process does: import, and give back what is measured. That takes a path, and gives back the time when the
# index was there, and the arrays.
_Step = Callable[[str], tuple[float, Mapping[str, Any]]]


def _measured(prepare: Callable[[], _Step], path: str) -> dict[str, float]:
    step = prepare()
    before = _memory("VmRSS")
    begin = time.perf_counter()
    index, arrays = step(path)
    for array in arrays.values():
        np.asarray(array).reshape(-1)[::_PAGE].sum()
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "index_seconds": index - begin, "peak_bytes": _memory("VmHWM") - before}


def _read_jax() -> _Step:
    import jax
    import jax.numpy as jnp

    from interop.files import read

    jax.block_until_ready(jnp.ones(3))

    def step(path: str) -> tuple[float, Mapping[str, Any]]:
        checkpoint = read(path)
        index = time.perf_counter()
        return index, jax.block_until_ready({name: jnp.asarray(tensor) for name, tensor in checkpoint.items()})

    return step


def _read_numpy_copies() -> _Step:
    from interop.files import read

    def step(path: str) -> tuple[float, Mapping[str, Any]]:
        checkpoint = read(path)
        index = time.perf_counter()
        return index, {name: np.array(tensor) for name, tensor in checkpoint.items()}

    return step


def _torch_numpy() -> _Step:
    import torch

    def step(path: str) -> tuple[float, Mapping[str, Any]]:
        loaded = torch.load(path, mmap=True, weights_only=True)
        index = time.perf_counter()
        return index, {name: np.array(tensor.numpy()) for name, tensor in loaded.items()}

    return step


def _safetensors_flax() -> _Step:
    import jax
    import jax.numpy as jnp
    from safetensors.flax import load_file

    jax.block_until_ready(jnp.ones(3))
    return lambda path: (time.perf_counter(), jax.block_until_ready(load_file(path)))


def _safetensors_numpy() -> _Step:
    from safetensors.numpy import load_file

    return lambda path: (time.perf_counter(), load_file(path))


def _writes(write: Callable[[Mapping[str, Any], str], None]) -> _Step:
    rng = np.random.default_rng(0)
    mapping = {f"{index}": rng.random(10**7, np.float32).reshape(1000, 10_000) for index in range(20)}

    def step(path: str) -> tuple[float, Mapping[str, Any]]:
        target = f"{path}.{os.getpid()}"
        try:
            write(mapping, target)
        finally:
            os.unlink(target)
        return time.perf_counter(), {}

    return step


def _write_torch() -> _Step:
    import interop

    # In columns: every array has to be copied before it can be written.
    return _writes(lambda mapping, path: interop.write(path, {name: array.T for name, array in mapping.items()}))


def _torch_save() -> _Step:
    import torch

    return _writes(
        lambda mapping, path: torch.save({n: torch.from_numpy(a).t().contiguous() for n, a in mapping.items()}, path)
    )


CHILDREN: dict[str, Callable[[], _Step]] = {
    "read torch, JAX": _read_jax,
    "torch.load, NumPy": _torch_numpy,
    "read safetensors, JAX": _read_jax,
    "safetensors.flax": _safetensors_flax,
    "read safetensors, NumPy copies": _read_numpy_copies,
    "safetensors.numpy": _safetensors_numpy,
    "write torch": _write_torch,
    "torch.save": _torch_save,
}


if __name__ == "__main__":
    main()
