"""``dilax inspect``: what is in a checkpoint, without JAX and without PyTorch."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.markup import escape
from rich.table import Table

from .console import console


def inspect(
    file: tyro.conf.Positional[Path],
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    sha256: bool = False,
) -> int:
    """Show what a checkpoint holds: arrays with shapes and dtypes, and the plain values beside them.

    For example:

        dilax inspect model.pth
        dilax inspect runs/brain
        dilax inspect model.safetensors --json --sha256

    Args:
        file: A PyTorch or safetensors file, the index of a sharded one, or a directory of dilax train or convert.
        as_json: Print JSON instead.
        sha256: Print a checksum of each array's numbers besides, which reads them all.
    """
    from ..train import is_checkpoint

    found = _of_directory(file) if is_checkpoint(file) else _of_file(file, sha256)
    if as_json:
        print(json.dumps(found, indent=2, default=str))
    else:
        _show(found)
    return 0


def _of_file(path: Path, sha256: bool) -> dict[str, Any]:
    import interop
    from interop.files import LazyTensor

    checkpoint = interop.read(path)
    arrays, values = [], {}
    storages: dict[int, str] = {}
    for name, value in _leaves(checkpoint.root):
        if not isinstance(value, LazyTensor):
            values[name] = value
            continue
        entry = {"name": name, "shape": list(value.shape), "dtype": value.dtype.name, "bytes": value.nbytes}
        first = storages.setdefault(id(value.storage), name)
        if first != name:
            entry["shares_memory_with"] = first
        if sha256:
            entry["sha256"] = hashlib.sha256(value.numpy().tobytes()).hexdigest()
        arrays.append(entry)
    return {
        "path": str(path),
        "format": checkpoint.format,
        "file_bytes": path.stat().st_size,
        "arrays": arrays,
        "values": values,
        "metadata": dict(checkpoint.metadata),
        "notes": list(checkpoint.notes),
        "models": _families(checkpoint),
    }


def _families(checkpoint: Mapping[str, Any]) -> list[str]:
    """Models of dilax that the state_dict could be, with the options that its shapes fix."""
    from dilax.errors import DilaxError
    from interop.arrays import is_state_dict
    from interop.inference import MODELS, infer_options

    candidates = [checkpoint, *(value for value in checkpoint.values() if isinstance(value, Mapping))]
    found = []
    for arrays in filter(is_state_dict, candidates):
        for name in MODELS:
            try:
                options = infer_options(name, arrays).options
            except DilaxError:
                continue
            found.append(f"{name} {' '.join(f'{key}={value}' for key, value in options.items())}")
    return found


def _of_directory(path: Path) -> dict[str, Any]:
    from ..train import read_meta

    about = read_meta(path)
    arrays = [
        {"name": f"{item}.{name}", "shape": shape, "dtype": dtype}
        for item, described in about.arrays.items()
        for name, (dtype, shape) in described.items()
    ]
    values = {
        "step": about.step,
        "epoch": about.epoch,
        "metrics": dict(about.metrics),
        "config": about.config,
        "source": about.source,
    }
    options = " ".join(f"{key}={value}" for key, value in about.model_options.items())
    return {
        "path": str(path),
        "format": "orbax",
        "arrays": arrays,
        "values": {name: value for name, value in values.items() if value not in (None, "", {})},
        "metadata": {},
        "notes": [],
        "models": [f"{about.model} {options}"] if about.model else [],
    }


def _leaves(root: Any) -> Iterator[tuple[str, Any]]:
    """Every value that is no container, with its place; a container met twice is shown once."""
    pending: list[tuple[str, Any]] = [("", root)]
    seen: set[int] = set()
    while pending:
        place, value = pending.pop()
        inside: list[tuple[str, Any]] = []
        if isinstance(value, Mapping):
            inside = [(f"{place}.{key}" if place else str(key), element) for key, element in value.items()]
        elif isinstance(value, list | tuple) and any(hasattr(e, "shape") or isinstance(e, Mapping) for e in value):
            inside = [(f"{place}[{index}]", element) for index, element in enumerate(value)]
        else:
            yield place, value
            continue
        if id(value) not in seen:
            seen.add(id(value))
            pending += reversed(inside)


def _show(found: dict[str, Any]) -> None:
    out = console()
    table = Table("array", "shape", "dtype", box=None, pad_edge=False, header_style="bold")
    table.add_column("bytes", justify="right")
    table.add_column("")
    for entry in found["arrays"]:
        shared = f"shares memory with {entry['shares_memory_with']}" if "shares_memory_with" in entry else ""
        table.add_row(
            escape(entry["name"]), "×".join(map(str, entry["shape"])) or "scalar", entry["dtype"],
            f"{entry['bytes']:,}" if "bytes" in entry else "", escape(entry.get("sha256", shared)),
        )  # fmt: skip
    size = f", {found['file_bytes']:,} bytes" if "file_bytes" in found else ""
    out.print(f"{found['path']}: {found['format']}{size}", markup=False)
    out.print(table)
    numbers = sum(_count(entry["shape"]) for entry in found["arrays"])
    out.print(f"{len(found['arrays'])} arrays, {numbers:,} numbers")
    for name, value in {**found["values"], **found["metadata"]}.items():
        text = repr(value)
        out.print(f"{name}: {text if len(text) < 200 else text[:200] + ' …'}", markup=False)
    for note in found["notes"]:
        out.print(f"note: {note}", markup=False)
    for model in found["models"]:
        out.print(f"model: {model}", markup=False)


def _count(shape: list[int]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total
