"""What was found in a checkpoint, whatever its format."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from interop.files.faults import printable

# How much of a plain value is shown, and how much of it JSON holds.
_ITEMS, _LETTERS, _LEVELS = 8, 200, 3
_ITEMS_IN_JSON, _LETTERS_IN_JSON, _LEVELS_IN_JSON = 1000, 10_000, 8


@dataclass(frozen=True)
class ArrayFound:
    """One array.

    Attributes:
        name: Its place in the checkpoint, e.g. ``"model.0.weight"``.
        shape: Numbers along each axis; None where the directory does not say.
        dtype: Name of the dtype; empty where the directory does not say.
        bytes: Bytes of its numbers, or None.
        shares_memory_with: Name of an earlier array whose storage it looks at, or empty.
        sha256: Checksum of its numbers in row-major order, if asked for.
    """

    name: str
    shape: tuple[int, ...] | None
    dtype: str
    bytes: int | None
    shares_memory_with: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Findings:
    """All that was found.

    Attributes:
        path: The file or directory.
        format: Which kind it is.
        file_bytes: Its size, or None for a directory.
        stored_bytes: Bytes of the distinct storages behind the arrays, or None where that is not known.
        arrays: In the checkpoint's order.
        values: Plain values by their place, as JSON can hold them.
        training: Optimizers and schedulers: place, kind, which of the two, step, learning rates, parameters.
        metadata: Texts beside the arrays.
        notes: Sentences about what was recovered or left out.
        models: Which architecture it probably is.
    """

    path: str
    format: str
    arrays: list[ArrayFound]
    file_bytes: int | None = None
    stored_bytes: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    training: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    @property
    def numbers(self) -> int:
        """How many numbers the arrays of known shape have."""
        return sum(math.prod(array.shape) for array in self.arrays if array.shape is not None)

    @property
    def array_bytes(self) -> int:
        """Bytes of all arrays, shared ones counted each time."""
        return sum(array.bytes or 0 for array in self.arrays)

    def to_json(self) -> dict[str, Any]:
        """All of it; what has no value is left out of an array's entry."""
        arrays = [
            {name: value for name, value in vars(array).items() if value not in (None, "")} for array in self.arrays
        ]
        totals = {"arrays": len(arrays), "numbers": self.numbers, "bytes": self.array_bytes}
        return {**vars(self), "arrays": arrays, "totals": totals}


def jsonable(value: Any) -> Any:
    """``value`` as JSON can hold it; what is large becomes text, for a list may be endless that holds others twice."""
    if value is None or type(value) in (bool, int):
        return value if value is None or abs(value) < 2**63 else brief(value)
    if type(value) is float:
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value[:_LETTERS_IN_JSON]
    if isinstance(value, list | tuple | Mapping) and _is_small(value):
        if isinstance(value, Mapping):
            return {str_key(key): jsonable(element) for key, element in value.items()}
        return [jsonable(element) for element in value]
    return brief(value)


def _is_small(value: Any) -> bool:
    pending = [(value, 0)]
    count = 0
    while pending:
        container, depth = pending.pop()
        count += len(container)
        if count > _ITEMS_IN_JSON or depth > _LEVELS_IN_JSON:
            return False
        elements = container.values() if isinstance(container, Mapping) else container
        pending += [(element, depth + 1) for element in elements if isinstance(element, list | tuple | Mapping)]
    return True


def elements(value: Any) -> int:
    """How many values there are in what :func:`jsonable` gives, itself among them."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(elements, inside))


def brief(value: Any) -> str:
    """``value`` as text of a bounded length."""
    return _brief(value, 0)


def _brief(value: Any, level: int) -> str:
    if isinstance(value, str | bytes):
        return _cut(repr(value[:_LETTERS]), longer=len(value) > _LETTERS)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _cut(_brief_container(value, level))
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    return printable(_cut(repr(value)))


def _brief_container(value: Any, level: int) -> str:
    opening, closing = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
    if not value:
        return opening + closing
    if level == _LEVELS:
        return f"{opening}…{closing}"
    shown = []
    for element in islice(value, _ITEMS):
        text = _brief(element, level + 1)
        shown.append(f"{text}: {_brief(value[element], level + 1)}" if isinstance(value, Mapping) else text)
    if len(value) > _ITEMS:
        shown.append(f"… {len(value):,} in all")
    comma = "," if type(value) is tuple and len(value) == 1 else ""
    return f"{opening}{', '.join(shown)}{comma}{closing}"


def str_key(key: Any) -> str:
    """A key as part of a place, without characters that a terminal would obey."""
    return printable(key[:_LETTERS]) if isinstance(key, str) else brief(key)


def _cut(text: str, *, longer: bool = False) -> str:
    return f"{text[:_LETTERS]} …" if longer or len(text) > _LETTERS else text
