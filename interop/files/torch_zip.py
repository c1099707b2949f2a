"""The zip format of PyTorch 1.6 and later."""

import sys
from typing import Any

from .builders import BUILDERS, VALUES, TypedStorage, storage_class
from .dtypes import storage_dtype
from .faults import Fault, Malformed, OtherKind
from .limits import Limits
from .machine import Machine
from .source import Source
from .tensors import Storage
from .zip_archive import Entry, read_index


def read_torch_zip(source: Source, limits: Limits) -> Any:
    """What was saved.

    Raises:
        Fault: The file is damaged, unsafe, or no checkpoint.
    """
    entries = read_index(source.data, limits)
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if not pickles:
        raise OtherKind("is a zip archive without a data.pkl, so no PyTorch checkpoint")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in entries:
        raise OtherKind("is a TorchScript program, which holds code")
    order = bytes(_checked(entries[f"{folder}byteorder"])) if f"{folder}byteorder" in entries else b"little"
    if order not in (b"little", b"big"):
        raise Malformed(f"names the unknown byte order {order[:20]!r}")
    swap = order.decode() != sys.byteorder
    storages: dict[str, Storage] = {}

    def persistent(ident: Any) -> TypedStorage:
        if type(ident) is not tuple or len(ident) != 5 or ident[0] != "storage" or type(ident[2]) is not str:
            raise Malformed("refers to a storage in an unknown way")
        _, cls, key, _, count = ident
        dtype = storage_dtype(storage_class(cls))
        entry = entries.get(f"{folder}data/{key}")
        if entry is None:
            raise Malformed(f"refers to the storage {key!r}, which is not there")
        if type(count) is not int or count < 0 or count * dtype.itemsize > len(entry.data):
            raise Malformed(f"says that the storage {key!r} has {count} numbers, more than its {len(entry.data)} bytes")
        if key not in storages:
            storages[key] = Storage(entry.data, key, crc32=entry.crc32, swap=swap, fail=source.error)
        return storages[key], dtype

    data = _checked(entries[pickles[0]])
    machine = Machine(data, builders=BUILDERS, values=dict(VALUES), persistent=persistent, limits=limits)
    return machine.load()


def _checked(entry: Entry) -> memoryview:
    try:
        return Storage(entry.data, entry.name, crc32=entry.crc32).bytes()
    except Fault:
        raise Malformed(f"is damaged: the checksum of {entry.name!r} differs") from None
