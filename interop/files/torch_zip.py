"""The zip format of PyTorch 1.6 and later."""

import sys
from typing import Any

from .budget import Budget
from .builders import BUILDERS, VALUES, TypedStorage, storage_class
from .dtypes import storage_kind
from .faults import Fault, Forbidden, Malformed, OtherKind, named
from .machine import Machine
from .source import Source
from .tensors import Storage
from .zip_archive import Entry, read_index


def read_torch_zip(source: Source, budget: Budget) -> Any:
    """What was saved.

    Raises:
        Fault: The file is damaged, unsafe, or no checkpoint.
    """
    entries = read_index(source.data, budget.limits)
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if not pickles:
        raise OtherKind("is a zip archive without a data.pkl, so no PyTorch checkpoint")
    if len(pickles) > 1:
        raise Forbidden(f"holds {len(pickles)} checkpoints, so that two readers could see two of them")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in entries:
        raise OtherKind("is a TorchScript program, which holds code")
    order = bytes(_checked(entries[f"{folder}byteorder"])) if f"{folder}byteorder" in entries else b"little"
    if order not in (b"little", b"big"):
        raise Malformed(f"names the unknown byte order {order[:20]!r}")
    swap = order.decode() != sys.byteorder
    storages: dict[str, Storage] = {}

    def persistent(ident: Any) -> TypedStorage:
        if type(ident) is not tuple or len(ident) != 5 or type(ident[2]) is not str:
            raise Malformed("refers to a storage in an unknown way")
        kind, cls, key, _, count = ident
        if type(kind) is not str or kind != "storage":
            raise Malformed("refers to a value in an unknown way")
        numbers = storage_kind(storage_class(cls))
        entry = entries.get(f"{folder}data/{key}")
        if entry is None:
            raise Malformed(f"refers to the storage {named(key)}, which is not there")
        if type(count) is not int or count < 0 or count * numbers.itemsize > len(entry.data):
            raise Malformed(
                f"says that the storage {named(key)} of {len(entry.data):,} bytes has {named(count)} numbers"
            )
        if key not in storages:
            storages[key] = Storage(entry.data, key, crc32=entry.crc32, swap=swap, fail=source.error)
        return storages[key], numbers

    data = _checked(entries[pickles[0]])
    machine = Machine(data, builders=BUILDERS, values=dict(VALUES), persistent=persistent, budget=budget)
    root = machine.load()
    if machine.position != len(data):
        raise Malformed("holds more than one pickle", machine.position)
    return root


def _checked(entry: Entry) -> memoryview:
    try:
        return Storage(entry.data, entry.name, crc32=entry.crc32).bytes()
    except Fault:
        raise Malformed(f"is damaged: the checksum of {entry.name!r} differs") from None
