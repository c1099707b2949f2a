"""What can be wrong inside a file, before the file's name is known to the one who notices."""

from typing import Any


def printable(text: str) -> str:
    """``text`` with control characters spelled out: a file may name things by what a terminal obeys."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def named(value: Any) -> str:
    """A value that a file gives where it should name something, as text of a bounded length.

    The text of a list may be exponentially longer than the file that holds it, so only what is no container is shown.
    """
    if isinstance(value, str | bytes):
        return f"{value[:80]!r}"
    if value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**64):
        return repr(value)
    return f"a value of type {type(value).__name__}"


class Fault(Exception):
    """A reason why a file cannot be used, with the byte where it was noticed.

    Args:
        reason: The rest of a sentence that begins with the file's name.
        offset: Bytes from the beginning of the part that was read, or None.
    """

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset

    def __str__(self) -> str:
        return self.reason if self.offset is None else f"{self.reason} (at byte {self.offset:,})"


class Malformed(Fault):
    """The bytes contradict the format or each other."""


class Forbidden(Fault):
    """The bytes ask for something that no checkpoint needs."""


class Exceeded(Fault):
    """The bytes ask for more than a limit allows."""


class Unsupported(Fault):
    """The bytes are well formed and hold something that has no counterpart here."""


class OtherKind(Fault):
    """The file is not a checkpoint."""
