"""The index of a zip archive, strictly: every header is checked against its twin, nothing is decompressed.

Source: PKWARE APPNOTE 6.3.9, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14-16 (end records).
"""

import struct
from dataclasses import dataclass
from itertools import pairwise

from .faults import Exceeded, Forbidden, Malformed, OtherKind
from .limits import Limits

_END = struct.Struct("<4sHHHHIIH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")


@dataclass(frozen=True)
class Entry:
    """One stored file.

    Attributes:
        name: Its name in the archive.
        data: Its bytes.
        crc32: Their checksum, or None: PyTorch can be told to write 0 for none.
    """

    name: str
    data: memoryview
    crc32: int | None


def read_index(data: memoryview, limits: Limits) -> dict[str, Entry]:
    """The files of a zip archive that stores them uncompressed.

    Raises:
        Fault: The archive is damaged, compressed, encrypted, or inconsistent with itself.
    """
    count, size, begin = _end_record(data)
    if count > limits.entries:
        raise Exceeded(f"holds {count:,} entries, more than {limits.entries:,}")
    entries: dict[str, Entry] = {}
    ranges: list[tuple[int, int]] = []
    at = begin
    for _ in range(count):
        header, name, extra, at = _central_header(data, at, begin + size)
        if name in entries:
            raise Forbidden(f"holds two entries named {name!r}", at)
        entry, span = _entry(data, header, name, extra, begin)
        entries[name] = entry
        ranges.append(span)
    if at != begin + size:
        raise Malformed("has a directory of another length than it says", at)
    ranges.sort()
    if any(one[1] > other[0] for one, other in pairwise(ranges)):
        raise Forbidden("holds entries that lie over one another")
    return entries


def _end_record(data: memoryview) -> tuple[int, int, int]:
    """How many entries there are, and the size and place of the directory."""
    tail = bytes(data[-(_END.size + 65535) :])
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or found + _END.size > len(tail):
        raise Malformed("is a zip archive without an end: it is truncated")
    at = len(data) - len(tail) + found
    _, disk, first, here, count, size, begin, comment = _END.unpack(data[at : at + _END.size])
    if at + _END.size + comment != len(data):
        raise Malformed("is a zip archive with bytes behind its end", at)
    if at >= _END64_LOCATOR.size and bytes(data[at - _END64_LOCATOR.size :][:4]) == b"PK\x06\x07":
        _, _, where, disks = _END64_LOCATOR.unpack(data[at - _END64_LOCATOR.size : at])
        if where + _END64.size > at or bytes(data[where : where + 4]) != b"PK\x06\x06" or disks > 1:
            raise Malformed("has a damaged zip64 end record", at)
        _, _, _, _, disk, first, here, count, size, begin = _END64.unpack(data[where : where + _END64.size])
        at = where
    if disk or first or here != count:
        raise Malformed("is one part of a zip archive in several parts", at)
    if begin + size > at:
        raise Malformed("has a directory that ends behind its end record", at)
    return count, size, begin


def _central_header(data: memoryview, at: int, end: int) -> tuple[tuple[int, ...], str, bytes, int]:
    if at + _CENTRAL.size > end:
        raise Malformed("has a truncated directory", at)
    signature, *header = _CENTRAL.unpack(data[at : at + _CENTRAL.size])
    name_length, extra_length, comment_length = header[9:12]
    body = at + _CENTRAL.size
    after = body + name_length + extra_length + comment_length
    if signature != b"PK\x01\x02" or after > end:
        raise Malformed("has a damaged directory", at)
    extra = bytes(data[body + name_length : body + name_length + extra_length])
    return tuple(header), _name(data[body : body + name_length], at), extra, after


def _name(raw: memoryview, at: int) -> str:
    try:
        name = str(raw, "utf-8")
    except UnicodeDecodeError:
        raise Malformed("holds an entry whose name is no UTF-8", at) from None
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in parts[0]:
        raise Forbidden(f"holds an entry named {name!r}, which leads outside the archive", at)
    return name


def _entry(
    data: memoryview, header: tuple[int, ...], name: str, extra: bytes, end: int
) -> tuple[Entry, tuple[int, int]]:
    _, _, flags, method, _, _, crc32, compressed, size, *_, disk, _, _, where = header
    size, compressed, where, disk = _zip64(extra, size, compressed, where, disk)
    if flags & 0x2041:
        raise Malformed(f"holds the encrypted entry {name!r}")
    if method != 0 or size != compressed:
        raise OtherKind(f"is a zip archive whose entry {name!r} is compressed, which torch.save never does")
    if disk or where + _LOCAL.size > end:
        raise Malformed(f"holds the entry {name!r} outside itself")
    (
        signature,
        _,
        local_flags,
        local_method,
        _,
        _,
        local_crc,
        local_compressed,
        local_size,
        name_length,
        extra_length,
    ) = _LOCAL.unpack(data[where : where + _LOCAL.size])
    begin = where + _LOCAL.size + name_length + extra_length
    if signature != b"PK\x03\x04" or begin + size > end:
        raise Malformed(f"holds the entry {name!r} outside itself", where)
    local_name = bytes(data[where + _LOCAL.size : where + _LOCAL.size + name_length])
    # With bit 3 the sizes stand behind the data, and zero or all ones here.
    told = bool(flags & 8) or local_size == 0xFFFFFFFF
    same = local_name == name.encode() and local_method == method and local_flags == flags
    if not same or (not told and (local_crc, local_compressed, local_size) != (crc32, compressed, size)):
        raise Malformed(f"describes the entry {name!r} in two ways", where)
    return Entry(name, data[begin : begin + size], crc32 or None), (where, begin + size)


def _zip64(extra: bytes, size: int, compressed: int, where: int, disk: int) -> tuple[int, int, int, int]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if kind == 1:
            fields = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
            size = next(fields, size) if size == 0xFFFFFFFF else size
            compressed = next(fields, compressed) if compressed == 0xFFFFFFFF else compressed
            where = next(fields, where) if where == 0xFFFFFFFF else where
            disk = 0 if disk == 0xFFFF else disk
        at += 4 + length
    return size, compressed, where, disk
