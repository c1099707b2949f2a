"""Arrays inside whatever a module gives: tuples, lists and dicts of them, of any depth."""

from collections.abc import Iterator, Mapping
from typing import Any


def parts(value: Any, kind: type[Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Each array in a nested value with its place, such as ``[0]`` or ``[out][1]``; a bare array is at ``""``."""
    if isinstance(value, kind):
        yield place, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from parts(one, kind, f"{place}[{key}]")
    elif isinstance(value, tuple | list):
        for index, one in enumerate(value):
            yield from parts(one, kind, f"{place}[{index}]")


def call_name(path: str, index: int) -> str:
    """Name of a module's call: its path, with ``#2`` and so on from the second call on."""
    return path if index == 1 else f"{path}#{index}"
