"""Writes the pickle of a PyTorch checkpoint: protocol 2, only names that ``torch.load(weights_only=True)`` allows."""

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from dilax.errors import DilaxError

from .tensors import LazyTensor
from .values import Device, DType, Size

_DEPTH = 500
# Containers that may be met again: a list of two lists of two lists of … is short in memory and endless on paper.
_REPEATS = 1_000_000


class Pickler:
    """Collects the bytes of one pickle.

    Args:
        tensor: Emits an array; gets this pickler, the array and its place, e.g. ``"model['0.weight']"``.
    """

    def __init__(self, tensor: Callable[["Pickler", Any, str], None]) -> None:
        self.out = bytearray(b"\x80\x02")
        self._tensor = tensor
        self._inside: list[int] = []
        self._seen: set[int] = set()
        self._repeats = 0

    def emit(self, code: bytes) -> None:
        """Append an opcode with its argument."""
        self.out += code

    def finish(self, value: Any) -> bytes:
        """The pickle of ``value``.

        Raises:
            DilaxError: It holds something that no checkpoint can.
        """
        self.put(value, "")
        return bytes(self.out) + b"."

    def put(self, value: Any, place: str) -> None:
        """Emit any value.

        Raises:
            DilaxError: It, or something in it, has no counterpart in a checkpoint.
        """
        if id(value) in self._inside or len(self._inside) > _DEPTH:
            raise DilaxError(f"write: {place or 'the mapping'} contains itself; pass values without cycles.")
        if isinstance(value, list | tuple | Mapping):
            self._repeats += id(value) in self._seen
            self._seen.add(id(value))
            if self._repeats > _REPEATS:
                raise DilaxError(
                    f"write: the mapping holds the same lists, tuples or dictionaries more than {_REPEATS:,} times; "
                    "pass arrays in place of them."
                )
        self._inside.append(id(value))
        self._put(value, place)
        self._inside.pop()

    def _put(self, value: Any, place: str) -> None:
        if isinstance(value, np.generic) and not isinstance(value, str | bytes | float | complex):
            value = value.item()
        match value:
            case None:
                self.emit(b"N")
            case bool():
                self.emit(b"\x88" if value else b"\x89")
            case int():
                self._int(value)
            case float():
                self.emit(b"G" + struct.pack(">d", value))
            case str():
                text = value.encode("utf-8", "surrogatepass")
                self.emit(b"X" + struct.pack("<I", len(text)) + text)
            case LazyTensor():
                self._tensor(self, value, place)
            case Size():
                self.call("torch", "Size", [tuple(value)], place)
            case DType():
                self.name("torch", value.name)
            case Device():
                args = [value.type] if value.index is None else [value.type, value.index]
                self.call("torch", "device", args, place)
            case bytes():
                self.call("_codecs", "encode", [value.decode("latin-1"), "latin1"], place)
            case complex():
                self.call("builtins", "complex", [value.real, value.imag], place)
            case OrderedDict():
                self.call("collections", "OrderedDict", [], place)
                self._pairs(value, place)
                self._attributes(value, place)
            case Counter():
                self.call("collections", "Counter", [dict(value)], place)
            case Mapping():
                self.emit(b"}")
                self._pairs(value, place)
            case tuple():
                self.emit(b"(")
                for index, element in enumerate(value):
                    self.put(element, f"{place}[{index}]")
                self.emit(b"t")
            case list():
                self.emit(b"](")
                for index, element in enumerate(value):
                    self.put(element, f"{place}[{index}]")
                self.emit(b"e")
            case PurePath():
                self.put(str(value), place)
            case _ if hasattr(value, "shape") and hasattr(value, "dtype"):
                self._tensor(self, value, place)
            case _:
                raise DilaxError(
                    f"write: {place or 'the mapping'} is a {type(value).__name__}, which no checkpoint holds; "
                    "pass arrays, numbers, texts, lists, tuples and dictionaries."
                )

    def name(self, module: str, name: str) -> None:
        """Emit the name of a class or function."""
        self.emit(f"c{module}\n{name}\n".encode())

    def call(self, module: str, name: str, args: list[Any], place: str) -> None:
        """Emit a call of ``module.name`` with ``args``."""
        self.name(module, name)
        self.emit(b"(")
        for argument in args:
            self.put(argument, place)
        self.emit(b"tR")

    def _int(self, value: int) -> None:
        if -(2**31) <= value < 2**31:
            self.emit(b"J" + struct.pack("<i", value))
            return
        body = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        if len(body) > 255:
            raise DilaxError(f"write: a whole number has {value.bit_length()} bits; pass one below 2**2000.")
        self.emit(b"\x8a" + struct.pack("<B", len(body)) + body)

    def _pairs(self, value: Mapping[Any, Any], place: str) -> None:
        self.emit(b"(")
        for key, element in value.items():
            self.put(key, f"a key of {place or 'the mapping'}")
            self.put(element, f"{place}[{key!r}]" if place else str(key))
        self.emit(b"u")

    def _attributes(self, value: OrderedDict[Any, Any], place: str) -> None:
        metadata = value.__dict__.get("_metadata")
        if metadata is not None:
            self.put({"_metadata": metadata}, place)
            self.emit(b"b")
