"""Which examples are kept for evaluation."""

import hashlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from ..errors import ArgumentError, FileError
from .pairs import Pair


def split_by_name(source: str, pairs: Collection[Pair], *, share: float) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Keep about a share of the examples for evaluation, chosen by their names.

    A name decides for itself, so that files which are added or removed move no other from one part to the other.

    Args:
        source: Who asks, for the message.
        pairs: All examples.
        share: Between 0 and 1.

    Returns:
        Examples for training, and those for evaluation.

    Raises:
        ArgumentError: The share is out of range, or leaves one part empty.
    """
    if not 0 < share < 1:
        raise ArgumentError(source, "held_out", share, "is not between 0 and 1", "pass e.g. 0.2")
    training = tuple(pair for pair in pairs if _number(pair.name) >= share)
    evaluation = tuple(pair for pair in pairs if _number(pair.name) < share)
    if not training or not evaluation:
        part = "evaluation" if training else "training"
        raise ArgumentError(
            source, "held_out", share, f"leaves nothing of {len(pairs)} examples for {part}",
            "pass another share, or say the names with evaluation_list",
        )  # fmt: skip
    return training, evaluation


def split_by_list(source: str, pairs: Collection[Pair], path: Path) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Keep the examples for evaluation whose names a file lists.

    Args:
        source: Who asks, for the message.
        pairs: All examples.
        path: A text file with a name in each line.

    Returns:
        Examples for training, and those for evaluation.

    Raises:
        FileError: The file cannot be read, lists what is not there, or leaves one part empty.
    """
    names = read_names(source, path)
    known = {pair.name for pair in pairs}
    for name in names:
        if name not in known:
            raise FileError(source, path, f"lists {name!r}, which is not there", "correct the list")
    listed = set(names)
    training = tuple(pair for pair in pairs if pair.name not in listed)
    if not training:
        raise FileError(source, path, "lists all examples", "leave some for training")
    return training, tuple(pair for pair in pairs if pair.name in listed)


def read_names(source: str, path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        FileError: The file cannot be read, holds no name, or one twice.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        fix = "pass a text file with a name in each line"
        raise FileError(source, path, f"cannot be read ({reason})", fix) from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise FileError(source, path, "lists no name", "pass a text file with a name in each line")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FileError(source, path, f"lists {twice[0]!r} twice", "list each name once")
    return names


def _number(name: str) -> float:
    """A number from 0 to 1 that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48
