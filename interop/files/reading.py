"""Read a checkpoint file of any format, decided by its content."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .budget import Budget
from .checkpoint import Checkpoint
from .faults import Fault, Malformed, OtherKind
from .limits import Limits
from .modules import recover
from .safetensors_file import looks_like_safetensors, read_safetensors
from .sharded import read_sharded
from .source import Source, open_source
from .torch_legacy import read_torch_legacy
from .torch_tar import read_torch_tar
from .torch_zip import read_torch_zip

# How files of other kinds begin, to say what was passed instead.
_OTHERS = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself",
    b"<!DOCTYPE": "is a web page",
    b"<!doctype": "is a web page",
    b"<html": "is a web page",
    b"\x89HDF": "is an HDF5 file",
    b"\x1f\x8b": "is compressed with gzip",
    b"BZh": "is compressed with bzip2",
    b"\xfd7zXZ": "is compressed with xz",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd",
    b"\x93NUMPY": "is a NumPy array",
    b"\x89PNG": "is a PNG picture",
    b"\xff\xd8\xff": "is a JPEG picture",
    b"%PDF": "is a PDF document",
    b"GGUF": "is a GGUF file",
    b"\x7fELF": "is a program",
}


def read(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Checkpoint:
    """Read a checkpoint without PyTorch, and without running or importing anything that it names.

    The index alone is read; a tensor's numbers are read when somebody asks for them, as a view of the file where its
    bytes allow. The formats are those of torch.save (zip, the older pickle, the oldest tar), safetensors, and the index
    file of a sharded checkpoint; the content decides, not the name.

    Args:
        path: The file.
        limits: Bounds on what reading may cost; the defaults of :class:`Limits` if None.

    Returns:
        What was saved: a mapping with :class:`LazyTensor` for tensors and plain Python values beside them.

    Raises:
        FileError: The file is missing, empty or of another kind, or holds what NumPy cannot (sparse, quantised).
        CorruptCheckpoint: The bytes are damaged.
        UnsafeCheckpoint: The file asks to run code, or exceeds a limit.
    """
    with _no_collection():
        return _read(Path(path), limits or Limits(), within=None)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Build the index without a search for garbage: there is none, and beside JAX the search takes longer."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _read(path: Path, limits: Limits, *, within: Path | None) -> Checkpoint:
    source = open_source(path)
    try:
        if looks_like_safetensors(source.data):  # first: its length may be the code of any character
            tensors, metadata = read_safetensors(source, limits)
            return Checkpoint(path, "safetensors", tensors, metadata=metadata)
        if bytes(source.data[:512]).lstrip().startswith(b"{"):
            if within is not None:
                raise Malformed("is an index inside an index")
            shards = read_sharded(source, limits, lambda shard: _read(shard, limits, within=path))
            return Checkpoint(path, "sharded", shards)
        return _by_torch(source, limits)
    except Fault as fault:
        raise source.error(fault) from (fault.__cause__ or None)


def _by_torch(source: Source, limits: Limits) -> Checkpoint:
    begin = bytes(source.data[:512])
    budget = Budget(limits, len(source.data))
    if begin.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _recovered(source, "torch", read_torch_zip(source, budget), budget)
    if begin[257:262] == b"ustar" or begin.startswith((b"storages\0", b"./storages\0")):
        return _recovered(source, "torch tar", read_torch_tar(source.data, budget), budget)
    if begin[:1] == b"\x80" and begin[1:2] <= b"\x05":
        root, by_torch = read_torch_legacy(source.data, budget)
        return _recovered(source, "torch legacy" if by_torch else "pickle", root, budget)
    raise OtherKind(next((what for magic, what in _OTHERS.items() if begin.startswith(magic)), _unknown(begin)))


def _recovered(source: Source, kind: str, root: Any, budget: Budget) -> Checkpoint:
    root, notes = recover(root, budget)
    return Checkpoint(source.path, kind, root, notes)


def _unknown(begin: bytes) -> str:
    return f"is of no known kind (it begins with {begin[:8]!r})"
