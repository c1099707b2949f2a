"""One writer at a time for a directory."""

import os
from pathlib import Path
from typing import IO

from ..errors import FileError

NAME = "lock"

try:
    import fcntl
except ImportError:  # Windows has no such lock.
    fcntl = None  # type: ignore[assignment]


class Lock:
    """Held from construction to :meth:`release`, or until the process ends in whatever way.

    Args:
        directory: What to lock; it exists.

    Raises:
        FileError: Somebody else holds it, or the directory cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        try:
            self._file: IO[bytes] | None = open(directory / NAME, "ab")  # noqa: SIM115
        except OSError as error:
            raise FileError(
                "Checkpoints", directory, f"cannot be written ({os.strerror(error.errno or 0)})",
                "pass a directory that you may write to",
            ) from error  # fmt: skip
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise FileError(
                "Checkpoints", directory, "is being written by another run",
                "wait for it to end, or pass another directory",
            ) from error  # fmt: skip

    def release(self) -> None:
        """Let others write; harmless when repeated."""
        if self._file is not None:
            self._file.close()
            self._file = None
