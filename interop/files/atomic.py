"""Files that appear complete or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

from dilax.errors import FileError
from dilax.train.manifest import sync_directory


@contextmanager
def replacing(path: Path, function: str) -> Iterator[BinaryIO]:
    """A file to write that takes the name ``path`` when it is complete and on the disk.

    Raises:
        FileError: It cannot be written; whatever was at ``path`` is as it was.
    """
    temporary = None
    try:
        if path.is_dir():
            raise FileError(function, path, "is a directory", "pass the name of a file")
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
        temporary = None
        sync_directory(path.parent)
    except OSError as error:
        reason = f"cannot be written ({error.strerror or error})"
        raise FileError(function, path, reason, "pass a place that can be written to") from error
    finally:
        if temporary is not None:
            os.unlink(temporary)
