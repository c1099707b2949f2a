"""Write a checkpoint file that PyTorch, or safetensors, reads."""

import json
import os
import struct
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from dilax.errors import ArgumentError, DilaxError

from ..arrays import to_numpy
from .atomic import replacing
from .dtypes import WRITABLE, number_kind, storage_class, torch_name
from .pickling import Pickler
from .safetensors_file import DTYPES, contiguous
from .tensors import LazyTensor

_ALIGNMENT = 64
_LOCAL_HEADER = 30
_CHUNK = 2**24


def write(
    path: str | os.PathLike[str], mapping: Mapping[Any, Any], *, format: Literal["torch", "safetensors"] | None = None
) -> None:
    """Write arrays and plain values to a checkpoint file; equal contents give equal bytes.

    The file appears complete or not at all. Tensors of a file that share memory share it in the new one. Beside the
    mapping, no more than one array is in memory at a time.

    Args:
        path: The file to write.
        mapping: Arrays of any library under their names; with the torch format also nested dictionaries, lists, tuples,
            texts and numbers.
        format: ``"torch"`` for what ``torch.load(weights_only=True)`` takes, or ``"safetensors"``, which holds arrays
            alone; None takes safetensors where the path ends in ``.safetensors``.

    Raises:
        FileError: The file cannot be written.
        ArgumentError: The format is unknown.
        DilaxError: A value has no counterpart in the format.
    """
    target = Path(path)
    if format is None:
        format = "safetensors" if target.suffix == ".safetensors" else "torch"
    if format not in ("torch", "safetensors"):
        raise ArgumentError("write", "format", format, "is unknown", "pass 'torch' or 'safetensors'")
    if not isinstance(mapping, Mapping):
        raise ArgumentError("write", "mapping", type(mapping), "is no mapping", "pass names with arrays")
    emit = _torch(mapping) if format == "torch" else _safetensors(mapping)
    with replacing(target, "write") as file:
        emit(file)


@dataclass(frozen=True)
class _Stored:
    """Bytes to write, which are made only when they are written: one array is in memory beside the mapping, not all.

    Attributes:
        nbytes: How many.
        bytes: Makes them.
    """

    nbytes: int
    bytes: Callable[[], memoryview]


def _torch(mapping: Mapping[Any, Any]) -> Callable[[BinaryIO], None]:
    """Check the mapping and index it; what is given back writes it."""
    storages = _Storages()
    data = Pickler(storages.emit).finish(mapping)

    def emit(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _stored(archive, file, "archive/data.pkl", memoryview(data))
            _stored(archive, file, "archive/byteorder", memoryview(b"little"))
            for key, stored in enumerate(storages.stored):
                _stored(archive, file, f"archive/data/{key}", stored.bytes())
            _stored(archive, file, "archive/version", memoryview(b"3\n"))

    return emit


def _stored(archive: zipfile.ZipFile, file: BinaryIO, name: str, data: memoryview) -> None:
    """One entry whose bytes begin at a multiple of 64, so that PyTorch can map them into memory."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    large = data.nbytes >= 2**31 - 1
    begin = file.tell() + _LOCAL_HEADER + len(name) + (20 if large else 0) + 4
    padding = -begin % _ALIGNMENT
    info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
    with archive.open(info, "w", force_zip64=large) as entry:
        for at in range(0, data.nbytes, _CHUNK):
            entry.write(data[at : at + _CHUNK])


class _Storages:
    """The storages of a checkpoint, each once, and how a tensor refers to one."""

    def __init__(self) -> None:
        self.stored: list[_Stored] = []
        self._keys: dict[int, int] = {}
        self._alive: list[Any] = []

    def emit(self, pickler: Pickler, value: Any, place: str) -> None:
        """Emit an array, and remember what has to be stored for it."""
        name, shape = _described(value, place)
        itemsize = number_kind(name).itemsize
        offset, strides = 0, contiguous(shape)
        stored = _Stored(prod(shape) * itemsize, partial(_numbers, value))
        owner = value
        if isinstance(value, LazyTensor) and not (value.conjugate or value.negative):
            owner, offset, strides = value.storage, value.offset, value.strides
            stored = _Stored(owner.nbytes, partial(_storage_bytes, value))
        if id(owner) not in self._keys:
            self._keys[id(owner)] = len(self.stored)
            self._alive.append(owner)
            self.stored.append(stored)
        key = self._keys[id(owner)]
        cls = storage_class(name)
        untyped = cls == "UntypedStorage"
        pickler.name("torch._utils", "_rebuild_tensor_v3" if untyped else "_rebuild_tensor_v2")
        pickler.emit(b"((")
        pickler.put("storage", place)
        pickler.name("torch.storage" if untyped else "torch", cls)
        for part in (str(key), "cpu", stored.nbytes if untyped else stored.nbytes // itemsize):
            pickler.put(part, place)
        pickler.emit(b"tQ")
        for layout in (offset, shape, tuple(strides), getattr(value, "requires_grad", False) is True):
            pickler.put(layout, place)
        pickler.call("collections", "OrderedDict", [], place)  # backward hooks
        if untyped:
            pickler.name("torch", name)
        pickler.emit(b"tR")


def _described(value: Any, place: str) -> tuple[str, tuple[int, ...]]:
    """PyTorch's name of an array's dtype, and its shape, from an array of any library and without its numbers."""
    live = hasattr(value, "detach")  # a tensor of PyTorch's own
    if live and (str(value.layout) != "torch.strided" or value.is_quantized or value.is_meta):
        raise DilaxError(f"write: {place} is a sparse, quantised or meta tensor; pass dense numbers.")
    name = str(value.dtype).removeprefix("torch.") if live else torch_name(np.dtype(value.dtype))
    if name not in WRITABLE:
        raise DilaxError(f"write: {place} has the dtype {value.dtype}, which PyTorch lacks; convert it first.")
    return str(name), tuple(value.shape)


def _numbers(value: Any) -> memoryview:
    """An array's numbers side by side, in little-endian order."""
    array = to_numpy(value)
    return _little_endian(np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C"))


def _storage_bytes(tensor: LazyTensor) -> memoryview:
    """All bytes of the tensor's storage, those that the tensor does not show too, in little-endian order."""
    storage = tensor.storage
    if not storage.swap and sys.byteorder == "little":
        return storage.bytes()
    count = storage.nbytes // tensor.dtype.itemsize
    return _little_endian(LazyTensor(storage, (count,), tensor.kind, (1,)).numpy())


def _little_endian(array: NDArray[Any]) -> memoryview:
    if sys.byteorder == "big":
        array = array.byteswap()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _safetensors(mapping: Mapping[Any, Any]) -> Callable[[BinaryIO], None]:
    """Check the mapping and index it; what is given back writes it."""
    names = {torch: name for name, torch in DTYPES.items()}
    described: dict[str, tuple[str, tuple[int, ...]]] = {}
    for key, value in mapping.items():
        if not isinstance(key, str) or not (hasattr(value, "shape") and hasattr(value, "dtype")):
            raise DilaxError(
                f"write: {key!r} is a {type(value).__name__}, and safetensors hold arrays under texts alone; "
                "write the torch format instead."
            )
        if key == "__metadata__":
            raise DilaxError("write: '__metadata__' is no tensor's name in safetensors; rename the array.")
        described[key] = _described(value, key)
        if described[key][0] not in names:
            raise DilaxError(
                f"write: {key!r} has the dtype {described[key][0]}, which safetensors lack; convert it first."
            )
    # The widest numbers first, so that each begins at a multiple of its width.
    placed = sorted(described, key=lambda key: -number_kind(described[key][0]).itemsize)
    sizes = [prod(shape) * number_kind(name).itemsize for name, shape in (described[key] for key in placed)]
    ends = list(accumulate(sizes, initial=0))
    ranges = {key: [begin, end] for key, begin, end in zip(placed, ends, ends[1:], strict=False)}
    header = {
        key: {"dtype": names[name], "shape": list(shape), "data_offsets": ranges[key]}
        for key, (name, shape) in described.items()
    }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)

    def emit(file: BinaryIO) -> None:
        file.write(struct.pack("<Q", len(text)) + text)
        for key in placed:
            file.write(_numbers(mapping[key]))

    return emit
