"""The bytes of a file, mapped into memory."""

import mmap
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dilax.errors import CorruptCheckpoint, FileError, UnsafeCheckpoint

from .faults import Exceeded, Fault, Forbidden, Malformed, OtherKind, Unsupported, printable

FUNCTION = "read"
# Letters of a reason that are shown: a file may hold a name of any length.
_LETTERS = 1000

# What a URL begins with, of which pathlib takes one slash.
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]+:/")

_ANSWERS: dict[type[Fault], tuple[type[FileError], str]] = {
    Malformed: (CorruptCheckpoint, "copy or download it again"),
    Exceeded: (UnsafeCheckpoint, "raise the limit with interop.Limits if you trust the file"),
    Forbidden: (UnsafeCheckpoint, "no checkpoint needs that: ask its author for the state_dict alone"),
    Unsupported: (FileError, "save it as dense tensors of a common dtype with torch.save"),
    OtherKind: (FileError, "pass a file that torch.save or safetensors wrote"),
}


@dataclass(frozen=True)
class Source:
    """A file's bytes, and the errors that name it.

    Attributes:
        path: The file.
        data: All of its bytes; nothing is read from the disk until they are used.
    """

    path: Path
    data: memoryview = field(repr=False)

    def error(self, fault: Fault) -> FileError:
        """The error to raise for ``fault``."""
        return error_for(self.path, fault)


def error_for(path: Path, fault: Fault) -> FileError:
    """The error to raise for ``fault`` in the file ``path``."""
    cls, fix = next(answer for kind, answer in _ANSWERS.items() if isinstance(fault, kind))
    return cls(FUNCTION, path, printable(str(fault)[:_LETTERS]), fix)


def open_source(path: str | os.PathLike[str]) -> Source:
    """Map a file.

    Raises:
        FileError: There is no such file, it is no regular file, it is empty, or it cannot be read.
    """
    target = Path(path)

    def problem(rule: str, fix: str) -> FileError:
        return FileError(FUNCTION, target, rule, fix)

    try:
        status = os.stat(target)  # before opening: opening a pipe waits for its writer
        if stat.S_ISDIR(status.st_mode):
            raise problem("is a directory", "pass a checkpoint file inside it")
        if not stat.S_ISREG(status.st_mode):
            raise problem("is not a regular file", "pass a checkpoint file")
        if not status.st_size:
            raise problem("is empty", "copy or download it again")
        with open(target, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        remote = _REMOTE.match(str(path))
        fix = "download it and pass the path of the file" if remote else "check the path"
        raise problem("is no file of this machine" if remote else "does not exist", fix) from None
    except (OSError, ValueError) as error:
        reason: Any = getattr(error, "strerror", None) or error
        raise problem(f"cannot be read ({reason})", "check its permissions") from error
    return Source(target, memoryview(mapped))
