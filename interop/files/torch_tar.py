"""The tar format of PyTorch before 0.1.10: storages, then tensors, then a pickle that refers to them."""

import io
import struct
import sys
import tarfile
from typing import Any

from .builders import BUILDERS, VALUES, TypedStorage, storage_class
from .dtypes import storage_dtype
from .faults import Exceeded, Malformed, OtherKind
from .limits import Limits
from .machine import Machine
from .source import Source
from .tensors import LazyTensor, Storage

_MEMBERS = ("storages", "tensors", "pickle")


def read_torch_tar(source: Source, limits: Limits) -> Any:
    """What was saved.

    Raises:
        Fault: The file is damaged, unsafe, or no checkpoint.
    """
    members = _members(source.data, limits)
    storages = _storages(members["storages"], limits)
    tensors = _tensors(members["tensors"], storages, limits)

    def persistent(ident: Any) -> Any:
        if type(ident) is tuple and ident:  # a class with its source text, which is not looked at
            return ident[0]
        if type(ident) not in (int, str) or str(ident) not in tensors:
            raise Malformed(f"refers to the tensor {ident!r:.40}, which is not there")
        return tensors[str(ident)]

    return _machine(members["pickle"], limits, persistent).load()


def _members(data: memoryview, limits: Limits) -> dict[str, memoryview]:
    """The bytes of the three members. tarfile only parses headers here: nothing is extracted."""
    found: dict[str, memoryview] = {}
    try:
        with tarfile.open(fileobj=_Raw(data), mode="r:") as archive:
            for count, member in enumerate(archive):
                if count > limits.entries:
                    raise Exceeded(f"holds {count:,} entries, more than {limits.entries:,}")
                name = member.name.removeprefix("./")
                if name in _MEMBERS:
                    end = member.offset_data + member.size
                    if not member.isreg() or member.size < 0 or end > len(data) or name in found or member.issparse():
                        raise Malformed(f"holds a damaged entry {name!r}")
                    found[name] = data[member.offset_data : end]
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError) as error:
        raise Malformed(f"is a damaged tar archive ({error})") from error
    if not found:
        raise OtherKind("is a tar archive without a checkpoint")
    missing = [name for name in _MEMBERS if name not in found]
    if missing:
        raise Malformed(f"is a tar archive without {' and '.join(map(repr, missing))}: it is truncated")
    return found


class _Raw(io.RawIOBase):
    """Reads from memory without a copy of it."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, len(self._data))[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        part = bytes(self._data[self._at : None if size < 0 else self._at + size])
        self._at += len(part)
        return part


def _machine(data: memoryview, limits: Limits, persistent: Any) -> Machine:
    return Machine(data, builders=BUILDERS, values=dict(VALUES), persistent=persistent, limits=limits)


def _nothing(_ident: Any) -> Any:
    raise Malformed("refers to a tensor where it lists its storages")


def _storages(data: memoryview, limits: Limits) -> dict[str, TypedStorage]:
    machine = _machine(data, limits, _nothing)
    storages: dict[str, TypedStorage] = {}
    for _ in range(_count(machine.load())):
        described = machine.load()
        if type(described) is not tuple or len(described) != 3:
            raise Malformed("describes a storage in an unknown way")
        key, _, cls = described
        dtype = storage_dtype(storage_class(cls))
        count = _unpack(machine, data, "<q")[0]
        end = machine.position + count * dtype.itemsize
        if count < 0 or end > len(data):
            raise Malformed(f"ends inside the storage {key!r}: it is truncated")
        storages[str(key)] = Storage(data[machine.position : end], str(key), swap=sys.byteorder == "big"), dtype
        machine.position = end
    views = machine.load()
    for view in views if type(views) is list else ():
        target, root, first, count = view
        storage, dtype = _known(storages, root)
        begin, end = first * dtype.itemsize, (first + count) * dtype.itemsize
        if not 0 <= begin <= end <= storage.nbytes:
            raise Malformed(f"refers to a part of the storage {root!r} that lies outside it")
        part = Storage(storage.bytes()[begin:end], str(target), swap=storage.swap)
        storages[str(target)] = part, dtype
    return storages


def _tensors(data: memoryview, storages: dict[str, TypedStorage], limits: Limits) -> dict[str, LazyTensor]:
    machine = _machine(data, limits, _nothing)
    tensors: dict[str, LazyTensor] = {}
    for _ in range(_count(machine.load())):
        described = machine.load()
        if type(described) is not tuple or len(described) != 3:
            raise Malformed("describes a tensor in an unknown way")
        key, root, _ = described
        storage, dtype = _known(storages, root)
        axes, _ = _unpack(machine, data, "<ii")  # 64 bits, of which PyTorch uses the lower half
        if not 0 <= axes <= 32:
            raise Malformed(f"holds a tensor of {axes} axes")
        *counts, offset = _unpack(machine, data, f"<{2 * axes + 1}q")
        shape, strides = (tuple(counts[:axes]), tuple(counts[axes:])) if axes else ((0,), (1,))
        tensors[str(key)] = LazyTensor(storage, shape, dtype, strides, offset)
    return tensors


def _known(storages: dict[str, TypedStorage], key: Any) -> TypedStorage:
    if str(key) not in storages:
        raise Malformed(f"refers to the storage {key!r:.40}, which is not there")
    return storages[str(key)]


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise Malformed("does not say how many tensors it holds")
    return value


def _unpack(machine: Machine, data: memoryview, form: str) -> tuple[int, ...]:
    end = machine.position + struct.calcsize(form)
    if end > len(data):
        raise Malformed("ends in the middle of a number: it is truncated")
    numbers = struct.unpack(form, data[machine.position : end])
    machine.position = end
    return numbers
