"""The tar format of PyTorch before 0.1.10: storages, then tensors, then a pickle that refers to them."""

import struct
import sys
from typing import Any

from .budget import Budget
from .builders import BUILDERS, VALUES, TypedStorage, storage_class
from .dtypes import storage_kind
from .faults import Exceeded, Malformed, OtherKind, named
from .limits import Limits
from .machine import Machine
from .tensors import LazyTensor, Storage
from .values import Global

_MEMBERS = ("storages", "tensors", "pickle")
_BLOCK = 512


def read_torch_tar(data: memoryview, budget: Budget) -> Any:
    """What was saved.

    Raises:
        Fault: The file is damaged, unsafe, or no checkpoint.
    """
    members = _members(data, budget.limits)
    storages = _storages(members["storages"], budget)
    tensors = _tensors(members["tensors"], storages, budget)

    def persistent(ident: Any) -> Any:
        if type(ident) is tuple and ident:  # a class with its source text, which is not looked at
            return ident[0]
        if type(ident) not in (int, str) or str(ident) not in tensors:
            raise Malformed(f"refers to the tensor {named(ident)}, which is not there")
        return tensors[str(ident)]

    return _machine(members["pickle"], budget, persistent).load()


def _members(data: memoryview, limits: Limits) -> dict[str, memoryview]:
    """The bytes of the three members, each once."""
    found: dict[str, memoryview] = {}
    at = 0
    for count in range(limits.entries + 1):
        header = bytes(data[at : at + _BLOCK])
        if len(header) < _BLOCK or not header.strip(b"\0"):
            break
        if count == limits.entries:
            raise Exceeded(f"holds more than {limits.entries:,} entries", at)
        size = _octal(header[124:136], at)
        name = header[:100].split(b"\0")[0].removeprefix(b"./").decode("latin-1")
        if _octal(header[148:156], at) != sum(header[:148]) + 8 * ord(" ") + sum(header[156:]):
            raise Malformed("is a damaged tar archive: the checksum of a header differs", at)
        begin, at = at + _BLOCK, at + _BLOCK + -(-size // _BLOCK) * _BLOCK
        if begin + size > len(data):
            raise Malformed(f"ends inside its entry {named(name)}: it is truncated", begin)
        if name in _MEMBERS:
            if header[156:157] not in b"0\0" or name in found:
                raise Malformed(f"holds a damaged entry {named(name)}", begin)
            found[name] = data[begin : begin + size]
        elif header[156:157] in (b"x", b"g") and b" size=" in bytes(data[begin : begin + min(size, 2**16)]):
            raise Malformed("gives the size of an entry in two ways", begin)
    if not found:
        raise OtherKind("is a tar archive without a checkpoint")
    missing = [name for name in _MEMBERS if name not in found]
    if missing:
        raise Malformed(f"is a tar archive without {' and '.join(map(repr, missing))}: it is truncated")
    return found


def _octal(text: bytes, at: int) -> int:
    digits = text.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise Malformed("is a damaged tar archive: a header holds no number where one belongs", at)
    return int(digits, 8)


def _machine(data: memoryview, budget: Budget, persistent: Any) -> Machine:
    return Machine(data, builders=BUILDERS, values=dict(VALUES), persistent=persistent, budget=budget)


def _nothing(_ident: Any) -> Any:
    raise Malformed("refers to a tensor where it lists its storages")


def _storages(data: memoryview, budget: Budget) -> dict[str, TypedStorage]:
    machine = _machine(data, budget, _nothing)
    storages: dict[str, TypedStorage] = {}
    for _ in range(_count(machine.load())):
        described = machine.load()
        if type(described) is not tuple or len(described) != 3:
            raise Malformed("describes a storage in an unknown way")
        key, _, cls = described
        name = _key(key)
        kind = storage_kind(storage_class(cls))
        count = _unpack(machine, data, "<q")[0]
        end = machine.position + count * kind.itemsize
        if count < 0 or end > len(data):
            raise Malformed(f"ends inside the storage {named(key)}: it is truncated", machine.position)
        storages[name] = Storage(data[machine.position : end], name, swap=sys.byteorder == "big"), kind
        machine.position = end
    views = machine.load()
    for view in views if type(views) is list else ():
        if type(view) is not tuple or len(view) != 4 or any(type(number) is not int for number in view[2:]):
            raise Malformed("refers to a part of a storage in an unknown way")
        target, root, first, count = view
        storage, kind = _known(storages, root)
        begin, end = first * kind.itemsize, (first + count) * kind.itemsize
        if not 0 <= begin <= end <= storage.nbytes:
            raise Malformed(f"refers to a part of the storage {named(root)} that lies outside it")
        name = _key(target)
        storages[name] = Storage(storage.bytes()[begin:end], name, swap=storage.swap), kind
    return storages


def _tensors(data: memoryview, storages: dict[str, TypedStorage], budget: Budget) -> dict[str, LazyTensor]:
    machine = _machine(data, budget, _nothing)
    tensors: dict[str, LazyTensor] = {}
    for _ in range(_count(machine.load())):
        described = machine.load()
        if type(described) is not tuple or len(described) != 3:
            raise Malformed("describes a tensor in an unknown way")
        key, root, cls = described
        storage, kind = _empty(cls) if root is None else _known(storages, root)
        axes, _ = _unpack(machine, data, "<ii")  # 64 bits, of which PyTorch uses the lower half
        if not 0 <= axes <= 32:
            raise Malformed(f"holds a tensor of {axes} axes")
        *counts, offset = _unpack(machine, data, f"<{2 * axes + 1}q")
        shape, strides = (tuple(counts[:axes]), tuple(counts[axes:])) if axes else ((0,), (1,))
        tensors[_key(key)] = LazyTensor(storage, shape, kind, strides, offset)
        budget.tensor(tensors[_key(key)])
    return tensors


def _empty(cls: Any) -> TypedStorage:
    """What a tensor without numbers has for a storage."""
    name = cls.name.removesuffix("Tensor") + "Storage" if isinstance(cls, Global) else ""
    return Storage(memoryview(b""), "none"), storage_kind(storage_class(Global("torch", name)))


def _known(storages: dict[str, TypedStorage], key: Any) -> TypedStorage:
    if _key(key) not in storages:
        raise Malformed(f"refers to the storage {named(key)}, which is not there")
    return storages[_key(key)]


def _key(value: Any) -> str:
    if type(value) not in (int, str):
        raise Malformed("names a storage or tensor by something that is no name")
    return str(value)


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
