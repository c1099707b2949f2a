"""The format of PyTorch before 1.6: pickles one after another, then the storages' bytes."""

import struct
import sys
from functools import partial
from typing import Any

from .budget import Budget
from .builders import BUILDERS, VALUES, storage_class
from .dtypes import storage_kind
from .faults import Malformed, named
from .machine import Machine
from .tensors import Storage

MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class LateStorage(Storage):
    """A storage that gets its bytes later."""

    def __init__(self, key: str, nbytes: int) -> None:
        super().__init__(memoryview(b""), key)
        self.nbytes = nbytes

    def place(self, data: memoryview, *, swap: bool) -> None:
        """Give it its bytes."""
        self._data = data
        self.swap = swap


class _Storages:
    """The storages that a pickle refers to."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[LateStorage, Any]] = {}
        # Parts of storages, by name, whole, first byte and size.
        self.parts: dict[tuple[str, str, int, int], LateStorage] = {}

    def persistent(self, ident: Any) -> Any:
        if type(ident) is not tuple or not ident:
            raise Malformed("refers to a value in an unknown way")
        if type(ident[0]) is str and ident[0] == "module" and len(ident) == 4:
            return ident[1]  # a class with its source text, which is not looked at
        if len(ident) != 6 or type(ident[0]) is not str or ident[0] != "storage" or type(ident[2]) is not str:
            raise Malformed("refers to a storage in an unknown way")
        whole, kind = self._whole(*ident[1:3], ident[4])
        return (whole if ident[5] is None else self._part(ident[5], whole, kind)), kind

    def _whole(self, cls: Any, key: str, count: Any) -> tuple[LateStorage, Any]:
        kind = storage_kind(storage_class(cls))
        if type(count) is not int or not 0 <= count < 2**62:
            raise Malformed(f"says that the storage {named(key)} has {named(count)} numbers")
        if key not in self.known:
            self.known[key] = LateStorage(key, count * kind.itemsize), kind
        late, known = self.known[key]
        if known != kind or late.nbytes != count * kind.itemsize:
            raise Malformed(f"describes the storage {named(key)} in two ways")
        return late, kind

    def _part(self, view: Any, whole: LateStorage, kind: Any) -> LateStorage:
        """A part of a storage, as PyTorch before 1.6 wrote it: (key, first number, count)."""
        if type(view) is not tuple or len(view) != 3 or type(view[0]) is not str:
            raise Malformed("refers to a part of a storage in an unknown way")
        key, first, count = view
        if any(type(number) is not int or not 0 <= number < 2**62 for number in (first, count)):
            raise Malformed("refers to a part of a storage in an unknown way")
        begin, nbytes = first * kind.itemsize, count * kind.itemsize
        if begin + nbytes > whole.nbytes:
            raise Malformed(f"refers to a part of the storage {named(whole.key)} that ends outside it")
        return self.parts.setdefault((key, whole.key, begin, nbytes), LateStorage(key, nbytes))

    def place(self, data: memoryview, position: int, keys: Any) -> None:
        """Give all of them their bytes, which begin at ``position`` in the order of ``keys``.

        They are little-endian whatever the machine that wrote them: PyTorch turned them (``writeFileRaw`` of
        ``torch/csrc/serialization.cpp``), and does not look at the byte order that the file states.
        """
        if type(keys) is not list or any(type(key) is not str for key in keys):
            raise Malformed("lists its storages in an unknown way", position)
        if len(keys) != len(self.known) or set(keys) != set(self.known):
            raise Malformed("lists other storages than it refers to", position)
        _place(data, position, keys, self.known)
        for (_, key, begin, nbytes), part in self.parts.items():
            whole = self.known[key][0]
            part.place(whole.bytes()[begin : begin + nbytes], swap=whole.swap)


def read_torch_legacy(data: memoryview, budget: Budget, *, nested: bool = False) -> tuple[Any, bool]:
    """What was saved, and whether torch.save wrote it (else it is a plain pickle).

    Args:
        data: The file's bytes.
        budget: What the file may cost.
        nested: Whether it lies inside a plain pickle: ``pickle.dump`` writes each storage of a tensor so.

    Raises:
        Fault: The file is damaged or unsafe.
    """
    storages = _Storages()
    builders = dict(BUILDERS)
    if not nested:
        builders["torch.storage._load_from_bytes"] = partial(_load_from_bytes, budget)
    machine = Machine(data, builders=builders, values=dict(VALUES), persistent=storages.persistent, budget=budget)
    first = machine.load()
    if type(first) is not int or first != MAGIC:
        if machine.position != len(data):
            raise Malformed("holds more than one pickle", machine.position)
        return first, False
    version, system = machine.load(), machine.load()
    if type(version) is not int or version != _PROTOCOL:
        raise Malformed("is of an unknown version of PyTorch's old format", machine.position)
    if type(system) is not dict or type(system.get("little_endian")) is not bool:
        raise Malformed("does not say its byte order", machine.position)
    root, keys = machine.load(), machine.load()
    storages.place(data, machine.position, keys)
    return root, True


def _load_from_bytes(budget: Budget, data: Any) -> Any:
    """A storage in a plain pickle: a whole file of the old format in a text."""
    if type(data) is not bytes:
        raise Malformed("holds a storage in an unknown way")
    try:
        root, by_torch = read_torch_legacy(memoryview(data), budget, nested=True)
    except Malformed as fault:  # its offset counts from the text's beginning
        raise Malformed(fault.reason) from fault
    if not by_torch or not (isinstance(root, tuple) and len(root) == 2 and isinstance(root[0], Storage)):
        raise Malformed("holds a storage in an unknown way")
    return root


def _place(data: memoryview, position: int, keys: list[str], storages: dict[str, tuple[LateStorage, Any]]) -> None:
    for key in keys:
        storage, kind = storages[key]
        if position + 8 > len(data):
            raise Malformed(f"ends before the storage {named(key)}: it is truncated", position)
        (count,) = struct.unpack("<q", data[position : position + 8])
        position += 8
        if count * kind.itemsize != storage.nbytes:
            raise Malformed(f"describes the storage {named(key)} in two ways", position)
        if position + storage.nbytes > len(data):
            raise Malformed(f"ends inside the storage {named(key)}: it is truncated", position)
        storage.place(data[position : position + storage.nbytes], swap=sys.byteorder == "big")
        position += storage.nbytes
    if position != len(data):
        raise Malformed("goes on behind its last storage", position)
