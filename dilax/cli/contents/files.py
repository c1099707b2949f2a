"""What is in a checkpoint file."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from .families import family
from .findings import ArrayFound, Findings, brief, elements, jsonable, str_key

# Elements of values that a file holds once and names again; and dictionaries that are looked at for a model.
_REPEATED, _CANDIDATES = 100_000, 100


def of_file(path: Path, *, sha256: bool = False) -> Findings:
    """Read a file's index; with ``sha256`` all of its numbers too.

    Raises:
        FileError: It cannot be read.
    """
    import interop
    from interop.files import LazyTensor
    from interop.files.optimizers import find_optimizers

    checkpoint = interop.read(path)
    arrays: list[ArrayFound] = []
    values: dict[str, Any] = {}
    shown = _Shown()
    storages: dict[int, tuple[str, int]] = {}
    for name, value in _leaves(checkpoint.root):
        if isinstance(value, LazyTensor):
            first = storages.setdefault(id(value.storage), (name, value.storage.nbytes))[0]
            arrays.append(_array(name, value, "" if first == name else first, sha256))
        elif hasattr(value, "shape") and hasattr(value, "dtype") and value.shape:
            storages[id(value)] = name, value.nbytes
            arrays.append(_array(name, value, "", sha256))
        else:
            values[name] = shown(value)
    training = [
        {
            "place": join(*found.place),
            "kind": found.kind,
            "scheduler": found.is_scheduler,
            "step": found.step,
            "learning_rates": jsonable(list(found.learning_rates)),
            "parameters": found.parameters,
        }
        for found in find_optimizers(checkpoint.root)
    ]
    return Findings(
        path=str(path), format=checkpoint.format, file_bytes=path.stat().st_size,
        stored_bytes=sum(nbytes for _, nbytes in storages.values()), arrays=arrays, values=values, training=training,
        metadata={str_key(key): text for key, text in checkpoint.metadata.items()}, notes=list(checkpoint.notes),
        models=_families(checkpoint),
    )  # fmt: skip


class _Shown:
    """Plain values as JSON can hold them, so many elements of what a file repeats, and then as short texts."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int]] = {}
        self._left = _REPEATED

    def __call__(self, value: Any) -> Any:
        if id(value) not in self._known:
            found = jsonable(value.item() if hasattr(value, "item") else value)
            self._known[id(value)] = found, elements(found)
            return found
        found, count = self._known[id(value)]
        self._left -= count
        return found if self._left >= 0 else brief(value)


def _array(name: str, array: Any, shares: str, sha256: bool) -> ArrayFound:
    from interop.files import LazyTensor

    checksum = ""
    if sha256:
        import hashlib

        import numpy as np

        numbers = np.ascontiguousarray(array)
        checksum = hashlib.sha256(numbers.reshape(-1).view(np.uint8).data).hexdigest()
    dtype = array.kind if isinstance(array, LazyTensor) else array.dtype
    return ArrayFound(name, tuple(array.shape), dtype.name, array.nbytes, shares, checksum)


def join(*keys: Any) -> str:
    """Keys and positions as one place, e.g. ``"model.layers[0].weight"``."""
    place = ""
    for key in keys:
        place += f"[{key}]" if type(key) is int else f"{'.' if place else ''}{str_key(key)}"
    return place


def _leaves(root: Any) -> Iterator[tuple[str, Any]]:
    """Every value that is no container, with its place; a container met twice is shown once."""
    pending: list[tuple[str, Any]] = [("", root)]
    holds: dict[int, bool] = {}  # whether something is inside: a file may name one long list again and again
    while pending:
        place, value = pending.pop()
        met = holds.get(id(value))
        inside = [] if met is not None else _inside(place, value)
        if not (met or inside):
            yield place, value
        elif met is None and len(place) < 1000:
            pending += reversed(inside)
        holds[id(value)] = bool(met or inside)


def _inside(place: str, value: Any) -> list[tuple[str, Any]]:
    """What a container holds that has a place of its own."""
    from interop.files.values import PickledObject

    if isinstance(value, Mapping):
        return _named(place, value)
    if not isinstance(value, PickledObject):
        return _numbered(place, value)
    found = _named(place, value.items)
    for state in value.state if isinstance(value.state, tuple) else (value.state,):  # (None, that of __slots__)
        found += _named(place, state) if isinstance(state, Mapping) else _numbered(place, state)
    return found + _numbered(place, (*value.args, *value.elements))


def _numbered(place: str, value: Any) -> list[tuple[str, Any]]:
    """The elements, where arrays are among them."""
    if isinstance(value, list | tuple | set | frozenset) and any(map(_may_hold_arrays, value)):
        return [(f"{place}[{index}]", element) for index, element in enumerate(value)]
    return []


def _may_hold_arrays(value: Any) -> bool:
    from interop.files.values import PickledObject

    return hasattr(value, "shape") or isinstance(value, Mapping | PickledObject)


def _named(place: str, value: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    return [(f"{place}.{str_key(key)}" if place else str_key(key), element) for key, element in value.items()]


def _families(checkpoint: Mapping[str, Any]) -> list[str]:
    """Models of dilax that a state_dict could be, with the options that its shapes fix; else a well-known family."""
    from interop.arrays import is_state_dict
    from interop.inference import fitting

    below = {id(value): value for value in checkpoint.values() if isinstance(value, Mapping)}
    found = []
    for arrays in islice(filter(is_state_dict, (checkpoint, *below.values())), _CANDIDATES):
        ours = [
            f"{name} {' '.join(f'{key}={value}' for key, value in inferred.options.items())}"
            for name, inferred in fitting(arrays).items()
        ]
        others = family(map(str, arrays))
        found += ours or ([f"looks like {others}"] if others else [])
    return found
