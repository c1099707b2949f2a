"""Whose key is whose: left out, renamed, and without the prefix that all keys share."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dilax.errors import ArgumentError, DilaxError, nearest

#: How :func:`interop.load` takes names: replacements of whole keys and of prefixes that end at a dot, or a function.
Rename = Mapping[str, str] | Callable[[str], str]


@dataclass(frozen=True)
class Names:
    """Which key of a checkpoint is which key of the model.

    Attributes:
        source: Keys of the checkpoint by those of the model.
        prefix: The prefix that was taken off all keys.
        renamed: How many keys ``rename`` changed.
        ignored: Keys of the checkpoint that were left out.
    """

    source: dict[str, str]
    prefix: str
    renamed: int
    ignored: tuple[str, ...]


def agree(
    function: str, keys: Iterable[str], wanted: set[str], *, rename: Rename | None, ignore: Iterable[str]
) -> Names:
    """Pair the keys of a checkpoint with those of a model, as far as they can be paired.

    Args:
        function: Who speaks in an error.
        keys: The checkpoint's.
        wanted: The model's, in every form that they may have.
        rename: Replacements, of the checkpoint's keys as they are.
        ignore: Patterns, as of a shell, of checkpoint keys to leave out.

    Raises:
        ArgumentError: A pattern or a replacement matches nothing.
        DilaxError: Replacements contradict each other, or give one key twice.
    """
    patterns = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    keys = list(keys)
    for pattern in patterns:
        if not any(fnmatchcase(key, pattern) for key in keys):
            raise ArgumentError(
                function, "ignore", pattern, f"matches no key of the checkpoint{nearest(pattern, keys)}",
                "leave it out",
            )  # fmt: skip
    ignored = tuple(key for key in keys if any(fnmatchcase(key, pattern) for pattern in patterns))
    keys = [key for key in keys if key not in set(ignored)]
    names = {key: key for key in keys} if rename is None else _renamed(function, keys, rename)
    kept = [key for key, name in names.items() if key == name]
    prefix = _prefix(kept, wanted - {name for key, name in names.items() if key != name})
    source: dict[str, str] = {}
    for key, name in names.items():
        name = name.removeprefix(prefix) if key == name else name
        if name in source:
            raise DilaxError(
                f"{function}: rename makes {name!r} of both {source[name]!r} and {key!r}; give each a name of its own."
            )
        source[name] = key
    return Names(source, prefix, len(keys) - len(kept), ignored)


def _renamed(function: str, keys: list[str], rename: Rename) -> dict[str, str]:
    if callable(rename):
        return {key: rename(key) for key in keys}
    names, used = {}, set()
    for key in keys:
        fitting = [old for old in rename if key == old or f"{key}.".startswith(f"{old.removesuffix('.')}.")]
        if len(fitting) > 1:
            raise DilaxError(
                f"{function}: rename has both {fitting[0]!r} and {fitting[1]!r} for the key {key!r}; keep one of them."
            )
        used.update(fitting)
        names[key] = rename[fitting[0]] + key[len(fitting[0]) :] if fitting else key
    for old in rename:
        if old not in used:
            raise ArgumentError(
                function, "rename", old, f"is no key of the checkpoint and no prefix of one{nearest(old, keys)}",
                "leave it out",
            )  # fmt: skip
    return names


def _prefix(keys: list[str], wanted: set[str]) -> str:
    """The prefix of all keys, up to a dot, without which most of them are the model's."""
    if not keys:
        return ""
    first = min(keys, key=len)
    ends = [0, *(match.end() for match in re.finditer(r"\.", first))]
    shared = [first[:end] for end in ends if all(key.startswith(first[:end]) for key in keys)]
    return max(shared, key=lambda prefix: sum(key.removeprefix(prefix) in wanted for key in keys))
