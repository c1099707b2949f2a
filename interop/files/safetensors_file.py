"""The safetensors format: a length, a JSON header, the tensors' bytes without gaps.

Source: the format's description at https://github.com/huggingface/safetensors.
"""

import json
import struct
import sys
from collections.abc import Iterable
from math import prod
from typing import Any

from .dtypes import NumberKind, number_kind
from .faults import Exceeded, Malformed, Unsupported, named
from .limits import Limits
from .source import Source
from .tensors import LazyTensor, Storage

DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
}


def looks_like_safetensors(data: memoryview) -> bool:
    """Whether a file begins as the format does."""
    return len(data) >= 10 and bytes(data[8:9]) == b"{" and struct.unpack("<Q", data[:8])[0] < 2**40


def read_safetensors(source: Source, limits: Limits) -> tuple[dict[str, LazyTensor], dict[str, str]]:
    """The tensors in the file's order, and the texts beside them.

    Raises:
        Fault: The file is damaged, or asks for too much.
    """
    data = source.data
    (length,) = struct.unpack("<Q", data[:8])
    if length > limits.header_bytes:
        raise Exceeded(f"has a header of {length:,} bytes, more than {limits.header_bytes:,}", 0)
    if 8 + length > len(data):
        raise Malformed(f"ends inside its header of {length:,} bytes: it is truncated", 0)
    header = parse_json(bytes(data[8 : 8 + length]), limits)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise Malformed("has metadata that are no texts")
    if len(header) > limits.entries:
        raise Exceeded(f"holds {len(header):,} tensors, more than {limits.entries:,}")
    body = data[8 + length :]
    placed = sorted(((*_described(name, entry), name) for name, entry in header.items()), key=lambda p: p[:2])
    tensors = {}
    end = 0
    for begin, stop, shape, numbers, name in placed:
        if begin != end:
            raise Malformed(
                f"has {'a gap before' if begin > end else 'bytes shared with'} the tensor {named(name)}", begin
            )
        end = stop
        if stop > len(body):
            raise Malformed(f"ends inside the tensor {named(name)}: it is truncated", 8 + length + begin)
        storage = Storage(body[begin:stop], name, swap=sys.byteorder == "big")
        tensors[name] = LazyTensor(storage, shape, numbers, contiguous(shape))
    if end != len(body):
        raise Malformed("goes on behind its last tensor", 8 + length + end)
    return {name: tensors[name] for name in header}, metadata


def contiguous(shape: Iterable[int]) -> tuple[int, ...]:
    """The strides, in numbers, of numbers that lie side by side."""
    shape = tuple(shape)
    return tuple(prod(max(n, 1) for n in shape[axis + 1 :]) for axis in range(len(shape)))


def parse_json(text: bytes, limits: Limits) -> dict[str, Any]:
    """A JSON object in which no key comes twice.

    Raises:
        Exceeded: It holds too many values.
        Malformed: It is none.
    """
    if sum(text.count(mark) for mark in (b"[", b"{", b",")) > limits.objects:
        raise Exceeded(f"has a header of more than {limits.objects:,} values")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Malformed("has a header with one key twice")
        return found

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"has a header that is no JSON ({str(error).splitlines()[0]:.80})") from error
    if not isinstance(value, dict):
        raise Malformed("has a header that is no JSON object")
    return value


def _described(name: str, entry: Any) -> tuple[int, int, tuple[int, ...], NumberKind]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise Malformed(f"describes the tensor {named(name)} in an unknown way")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    counts = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [None] * 34
    if len(counts) > 34 or len(offsets) != 2 or any(type(n) is not int or not 0 <= n < 2**62 for n in counts):
        raise Malformed(f"describes the tensor {named(name)} in an unknown way")
    if not isinstance(kind, str) or kind not in DTYPES:
        raise Unsupported(f"holds the tensor {named(name)} of dtype {named(kind)}")
    numbers = number_kind(DTYPES[kind])
    if prod(shape) * numbers.itemsize != offsets[1] - offsets[0]:
        raise Malformed(f"says that the tensor {named(name)} of shape {shape} has {offsets[1] - offsets[0]:,} bytes")
    return offsets[0], offsets[1], tuple(shape), numbers
