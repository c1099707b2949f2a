"""The format of PyTorch before 1.6: pickles one after another, then the storages' bytes."""

import struct
import sys
from typing import Any

from .builders import BUILDERS, VALUES, storage_class
from .dtypes import storage_dtype
from .faults import Malformed
from .limits import Limits
from .machine import Machine
from .source import Source
from .tensors import Storage

MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class LateStorage(Storage):
    """A storage that gets its bytes later."""

    def __init__(self, key: str, nbytes: int) -> None:
        super().__init__(memoryview(b""), key)
        self.nbytes = nbytes

    def place(self, data: memoryview, *, swap: bool) -> None:
        self._data = data
        self.swap = swap


# A part, the storage that it is a part of, and its first byte there.
_View = tuple[LateStorage, LateStorage, int]


def read_torch_legacy(source: Source, limits: Limits) -> tuple[Any, bool]:
    """What was saved, and whether torch.save wrote it (else it is a plain pickle).

    Raises:
        Fault: The file is damaged or unsafe.
    """
    storages: dict[str, tuple[LateStorage, Any]] = {}
    views: list[_View] = []

    def persistent(ident: Any) -> Any:
        if type(ident) is not tuple or not ident:
            raise Malformed("refers to a value in an unknown way")
        if ident[0] == "module":  # a class with its source text, which is not looked at
            return ident[1]
        if ident[0] != "storage" or len(ident) != 6 or type(ident[2]) is not str:
            raise Malformed("refers to a storage in an unknown way")
        storage, dtype = _storage(ident, storages)
        return (storage if ident[5] is None else _part(ident[5], storage, dtype, views)), dtype

    machine = Machine(source.data, builders=BUILDERS, values=dict(VALUES), persistent=persistent, limits=limits)
    first = machine.load()
    if first != MAGIC:
        if machine.position != len(source.data):
            raise Malformed("holds more than one pickle", machine.position)
        return first, False
    if machine.load() != _PROTOCOL:
        raise Malformed("is of an unknown version of PyTorch's old format", machine.position)
    system = machine.load()
    if type(system) is not dict or type(system.get("little_endian")) is not bool:
        raise Malformed("does not say its byte order", machine.position)
    root = machine.load()
    keys = machine.load()
    if type(keys) is not list or sorted(map(str, keys)) != sorted(storages) or len(set(keys)) != len(keys):
        raise Malformed("lists other storages than it refers to", machine.position)
    _place(source.data, machine.position, keys, storages, little=system["little_endian"])
    for view, whole, begin in views:
        view.place(whole.bytes()[begin : begin + view.nbytes], swap=whole.swap)
    return root, True


def _storage(ident: tuple[Any, ...], storages: dict[str, tuple[LateStorage, Any]]) -> tuple[LateStorage, Any]:
    _, cls, key, _, count, _ = ident
    dtype = storage_dtype(storage_class(cls))
    if type(count) is not int or count < 0:
        raise Malformed(f"says that the storage {key!r} has {count} numbers")
    if key not in storages:
        storages[key] = LateStorage(key, count * dtype.itemsize), dtype
    late, known = storages[key]
    if known != dtype or late.nbytes != count * dtype.itemsize:
        raise Malformed(f"describes the storage {key!r} in two ways")
    return late, dtype


def _part(view: Any, whole: LateStorage, dtype: Any, views: list[_View]) -> LateStorage:
    """A part of a storage, as PyTorch before 1.6 wrote it: (key, first number, count)."""
    if type(view) is not tuple or len(view) != 3 or any(type(n) is not int or n < 0 for n in view[1:]):
        raise Malformed("refers to a part of a storage in an unknown way")
    key, first, count = view
    begin, nbytes = first * dtype.itemsize, count * dtype.itemsize
    if begin + nbytes > whole.nbytes:
        raise Malformed(f"refers to a part of the storage {whole.key!r} that ends outside it")
    for known, root, place in views:
        if (known.key, root, place, known.nbytes) == (str(key), whole, begin, nbytes):
            return known
    views.append((LateStorage(str(key), nbytes), whole, begin))
    return views[-1][0]


def _place(
    data: memoryview, position: int, keys: list[str], storages: dict[str, tuple[LateStorage, Any]], *, little: bool
) -> None:
    swap = little != (sys.byteorder == "little")
    for key in keys:
        storage, dtype = storages[key]
        if position + 8 > len(data):
            raise Malformed(f"ends before the storage {key!r}: it is truncated", position)
        (count,) = struct.unpack("<q" if little else ">q", data[position : position + 8])
        position += 8
        if count * dtype.itemsize != storage.nbytes:
            raise Malformed(f"describes the storage {key!r} in two ways", position)
        if position + storage.nbytes > len(data):
            raise Malformed(f"ends inside the storage {key!r}: it is truncated", position)
        storage.place(data[position : position + storage.nbytes], swap=swap)
        position += storage.nbytes
    if position != len(data):
        raise Malformed("goes on behind its last storage", position)
