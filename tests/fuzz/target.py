"""What the fuzzer runs: any bytes, read as a checkpoint, give values or an error of dilax, and nothing else happens.

The first byte says how the rest becomes a file, so that a fuzzer need not find the checksum of a zip archive or the
length of a header by itself.
"""

import io
import resource
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

import interop
from dilax.cli.contents import of_file
from dilax.errors import FileError
from interop.files import LazyTensor
from tests.interop.files.hostile import tar_member

#: Bytes of memory that the process may hold beyond what the seeds took.
MEMORY = 256 * 2**20


def as_file(data: bytes) -> bytes:
    """The file that ``data`` stands for."""
    kind, body = data[:1], data[1:]
    if kind == b"z":  # a pickle in a zip archive, with two storages
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in (("data.pkl", body), ("data/0", bytes(range(64))), ("data/1", bytes(8))):
                archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
        return buffer.getvalue()
    if kind == b"s":  # a header of safetensors, then 64 bytes
        return struct.pack("<Q", len(body)) + body + bytes(range(64))
    if kind == b"t":  # the members of a tar archive, with a separator
        parts = [*body.split(b"\xff\xfe\xfd"), b"", b""][:3]
        return b"".join(
            tar_member(name, part) for name, part in zip(("storages", "tensors", "pickle"), parts, strict=True)
        )
    return body


class Target:
    """Reads one input after another, as the file ``path``.

    Args:
        path: A file to write, best in memory.
        seeds: Inputs that are as they should be. The first call reads them, so that all modules are there.
    """

    def __init__(self, path: Path, seeds: list[bytes]) -> None:
        self.path = path
        self.seeds = seeds
        self.modules: set[str] = set()
        self.memory = 0

    def __call__(self, data: bytes) -> None:
        """Read one input.

        Raises:
            RuntimeError: Something happened that must not.
        """
        if not self.modules:
            for seed in self.seeds:
                self._read(seed)
            self.modules, self.memory = set(sys.modules), _peak() + MEMORY
        self._read(data)
        if len(sys.modules) != len(self.modules):
            raise RuntimeError(f"imported {set(sys.modules) - self.modules}")
        if _peak() > self.memory:
            raise RuntimeError("took more memory than it may")

    def _read(self, data: bytes) -> None:
        self.path.write_bytes(as_file(data))
        try:
            checkpoint = interop.read(self.path)
            for tensor in list(checkpoint.values())[:100]:
                if isinstance(tensor, LazyTensor) and tensor.nbytes < 2**20:
                    np.array(tensor)
            of_file(self.path).to_json()
        except FileError as error:
            message = str(error)
            if not message.startswith("read: ") or not message.isprintable() or len(message) > 2000:
                raise RuntimeError(f"is not a message in the house form: {message!r}") from error


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
