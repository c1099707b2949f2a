"""Find the state_dict in what a training script saved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dilax.errors import ArgumentError, DilaxError

from .arrays import is_state_dict

#: What people call the state_dict inside a training checkpoint, and that of its moving average.
WRAPPERS = (
    "state_dict", "model", "net", "network", "model_state_dict", "module", "params",
    "ema", "ema_state_dict", "model_ema", "params_ema", "state_dict_ema",
)  # fmt: skip
# How many of them may be nested, as in {"model": {"module": {"state_dict": ...}}}.
_DEPTH = 3


@dataclass(frozen=True)
class Found:
    """A state_dict in a checkpoint.

    Attributes:
        arrays: Names to arrays.
        wrapper: The key under which it was, dots between nested ones, or None for a bare state_dict.
        unused: The other keys on the way there.
    """

    arrays: Mapping[str, Any]
    wrapper: str | None
    unused: tuple[str, ...]


def find(function: str, checkpoint: Mapping[str, Any]) -> Found:
    """The one state_dict in a checkpoint.

    Raises:
        DilaxError: There is none, or more than one.
    """
    if is_state_dict(checkpoint):
        return Found(checkpoint, None, ())
    found = list(_below(checkpoint, ()))
    if not found:
        keys = ", ".join(map(repr, list(checkpoint)[:8])) or "nothing"
        raise DilaxError(
            f"{function}: there is no state_dict in the checkpoint, which holds {keys}; "
            f"pass a mapping of names to tensors, or one under {', '.join(WRAPPERS)}."
        )
    if len(found) > 1:
        names = ", ".join(".".join(path) for path, _ in found)
        first = found[0][0]
        example = f"checkpoint{''.join(f'[{key!r}]' for key in first)}, or dilax convert --state-dict {'.'.join(first)}"
        raise DilaxError(
            f"{function}: the checkpoint holds a state_dict under each of {names}; "
            f"pass the one you mean, e.g. {example}."
        )
    path, arrays = found[0]
    unused, level = [], checkpoint
    for key in path:
        unused += [str(other) for other in level if other != key]
        level = level[key]
    return Found(arrays, ".".join(path), tuple(unused))


def at(function: str, checkpoint: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The mapping at a place in a checkpoint.

    Args:
        function: Who speaks in an error.
        checkpoint: What a file holds.
        path: Its keys on the way there, dots between them.

    Raises:
        ArgumentError: There is none.
    """
    found: Any = checkpoint
    for key in path.split("."):
        if not isinstance(found, Mapping) or not isinstance(found.get(key), Mapping):
            names = [name for name in found if isinstance(found[name], Mapping)] if isinstance(found, Mapping) else []
            raise ArgumentError(
                function, "state_dict", path, f"is no mapping in the checkpoint: there is none under {key!r}",
                f"pass one of {', '.join(map(str, names))}" if names else "leave it out",
            )  # fmt: skip
        found = found[key]
    return found


def _below(checkpoint: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    for name in WRAPPERS:
        value = checkpoint.get(name)
        if not isinstance(value, Mapping):
            continue
        if is_state_dict(value):
            yield (*path, name), value
        elif len(path) + 1 < _DEPTH:
            yield from _below(value, (*path, name))
