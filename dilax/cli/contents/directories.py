"""What is in a directory of dilax or of Orbax, without JAX: shapes and dtypes, never the arrays."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interop.files.faults import printable

from ...errors import CorruptCheckpoint, FileError
from .findings import ArrayFound, Findings, jsonable

# What Orbax writes beside the arrays of one item.
_ITEM = "_METADATA"


def of_directory(path: Path) -> Findings:
    """Read what a directory says about itself.

    Raises:
        FileError: There is no checkpoint in it, or none that counts.
    """
    from ...train import is_checkpoint, read_meta
    from ...train.manifest import NAME as MANIFEST

    step = _newest(path)
    items = [found.parent for found in sorted({*step.glob(_ITEM), *step.glob(f"*/{_ITEM}")})]
    if items and not any(path.glob(MANIFEST)) and not any(path.glob(f"*/{MANIFEST}")):
        return _of_orbax(path, step, items)
    if not is_checkpoint(path):
        raise FileError(
            "inspect", path, "is a directory without a checkpoint",
            "pass a checkpoint file, or a directory that dilax train, dilax convert or Orbax wrote",
        )  # fmt: skip
    about = read_meta(path)
    arrays = [
        ArrayFound(name, tuple(shape), dtype, _nbytes(shape, dtype)) for name, (dtype, shape) in about.arrays.items()
    ]
    values = {
        "step": about.step,
        "epoch": about.epoch,
        "metrics": dict(about.metrics),
        "config": about.config,
        "source": about.source,
    }
    options = " ".join(f"{key}={value}" for key, value in about.model_options.items())
    return Findings(
        path=str(path), format="dilax", arrays=arrays,
        values={name: jsonable(value) for name, value in values.items() if value not in (None, "", {})},
        models=[f"{about.model} {options}"] if about.model else [],
    )  # fmt: skip


def _nbytes(shape: Any, dtype: str) -> int | None:
    import ml_dtypes
    import numpy as np

    try:
        return math.prod(shape) * np.dtype(getattr(ml_dtypes, dtype, dtype)).itemsize
    except TypeError:  # a key of JAX's random numbers
        return None


def _newest(path: Path) -> Path:
    """The step of the highest number, or the directory itself."""
    steps = [entry for entry in path.iterdir() if entry.name.isascii() and entry.name.isdigit() and entry.is_dir()]
    return max(steps, key=lambda entry: int(entry.name), default=path)


def _of_orbax(path: Path, step: Path, items: list[Path]) -> Findings:
    arrays = []
    for item in items:
        prefix = "" if item == step else f"{item.name}."
        for name, described in sorted(_orbax_arrays(item)):
            arrays.append(_orbax_array(f"{prefix}{name}", described))
    values: dict[str, Any] = {} if step == path else {"step": int(step.name)}
    for found in sorted(step.glob("*/metadata")):  # an item of JSON
        if found.is_file() and not (found.parent / _ITEM).exists():
            values[found.parent.name] = jsonable(_json(path, found.read_bytes()))
    notes = ["Orbax wrote it, so nothing tells whether its numbers are those that were saved"]
    return Findings(path=str(path), format="orbax", arrays=arrays, values=values, notes=notes)


def _orbax_array(name: str, described: Any) -> ArrayFound:
    shape, dtype = described.get("shape"), described.get("dtype", described.get("data_type"))
    known = isinstance(shape, list) and all(type(count) is int for count in shape)
    import ml_dtypes
    import numpy as np

    try:
        kind = np.dtype(getattr(ml_dtypes, str(dtype), dtype)).name
    except TypeError:
        kind = printable(str(dtype)[:40])
    return ArrayFound(printable(name), tuple(shape) if known else None, kind, _nbytes(shape, kind) if known else None)


def _orbax_arrays(item: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names of the arrays and what zarr says of each."""
    names = (".zarray", "zarr.json")
    if not (item / "manifest.ocdbt").exists():
        for found in (found for name in names for found in item.glob(f"*/{name}")):
            yield found.parent.name, _json(item, found.read_bytes())
        return
    import tensorstore

    store = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"file://{item.resolve()}/"}).result()
    for key in store.list().result():
        name, _, last = key.decode("utf-8", "backslashreplace").rpartition("/")
        if last in names:
            yield name, _json(item, store.read(key).result().value)


def _json(path: Path, text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptCheckpoint("inspect", path, "has a description that is no JSON", "copy it again") from error
