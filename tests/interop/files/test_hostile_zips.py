"""Zip archives that two readers could read in two ways, or that lead outside, are refused in one sentence."""

import io
import pickle
import struct
import zipfile

import pytest

from dilax.errors import CorruptCheckpoint, FileError, UnsafeCheckpoint
from interop.files import read

from . import hostile


@pytest.mark.parametrize("entry", ["../evil", "/evil", "a/../../evil", "C:evil", "archive\\evil"])
def test_names_that_lead_outside(tmp_path, entry):
    path = tmp_path / "hostile.pth"
    buffer = io.BytesIO()
    hostile.zipped(buffer, pickle.dumps({}, 2), entries=[("x" * len(entry), b"a")])
    path.write_bytes(buffer.getvalue().replace(b"x" * len(entry), entry.encode()))
    with pytest.raises(UnsafeCheckpoint, match="which leads outside the archive"):
        read(path)


def test_with_one_name_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = hostile.zipped(
            tmp_path / "twice.pth", pickle.dumps({}, 2), entries=[("archive/data.pkl", pickle.dumps(1, 2))]
        )
    with pytest.raises(UnsafeCheckpoint, match="holds two entries named 'archive/data.pkl'"):
        read(path)


def test_with_two_checkpoints(tmp_path):
    path = hostile.zipped(tmp_path / "both.pth", pickle.dumps({}, 2), entries=[("other/data.pkl", pickle.dumps(1, 2))])
    with pytest.raises(UnsafeCheckpoint, match="holds 2 checkpoints, so that two readers could see two of them"):
        read(path)


def _changed(path, signature, offset, form, value):
    """Write ``value`` into the last record of the zip archive that has this signature."""
    raw = bytearray(path.read_bytes())
    at = raw.rfind(signature) + offset
    raw[at : at + struct.calcsize(form)] = struct.pack(form, value)
    path.write_bytes(raw)


ZIP_CHANGES = {
    "directory elsewhere": (b"PK\5\6", 16, "<I", 2**31, "has a directory that ends behind its end record"),
    "directory longer": (b"PK\5\6", 12, "<I", 2**20, "has a directory that ends behind its end record"),
    "more entries than there are": (b"PK\5\6", 8, "<HH", None, "has a truncated directory"),
    "two disks": (b"PK\5\6", 4, "<H", 1, "is one part of a zip archive in several parts"),
    "comment that is not there": (b"PK\5\6", 20, "<H", 9, "is a zip archive with bytes behind its end"),
    "encrypted": (b"PK\1\2", 8, "<H", 1, "holds the encrypted entry"),
    "entry outside": (b"PK\1\2", 42, "<I", 2**30, "outside itself"),
    "entry too long": (b"PK\1\2", 20, "<II", None, "outside itself"),
    "name outside": (b"PK\1\2", 28, "<H", 60_000, "has a damaged directory"),
    "another checksum": (b"PK\1\2", 16, "<I", 5, "in two ways"),
    "deflated in one header": (b"PK\3\4", 8, "<H", 8, "in two ways"),
    "another size in one header": (b"PK\3\4", 22, "<I", 5, "in two ways"),
}


@pytest.mark.parametrize("name", ZIP_CHANGES)
def test_records_that_lie(tmp_path, name):
    signature, offset, form, value, message = ZIP_CHANGES[name]
    path = hostile.zipped(tmp_path / "lying.pth", pickle.dumps({}, 2), entries=[("archive/version", b"3")])
    if value is None:
        for at in range(struct.calcsize(form) // struct.calcsize(form[:2])):
            _changed(path, signature, offset + at * struct.calcsize(form[:2]), form[:2], 999)
    else:
        _changed(path, signature, offset, form, value)
    with pytest.raises((CorruptCheckpoint, UnsafeCheckpoint), match=message):
        read(path)


def test_entries_that_lie_over_one_another(tmp_path):
    path = hostile.zipped(tmp_path / "over.pth", pickle.dumps({}, 2), entries=[("archive/data/0", b"abcd")])
    raw = path.read_bytes()
    inner = raw.index(b"PK\1\2")
    first = raw[inner : raw.index(b"PK\1\2", inner + 4)]
    twin = first.replace(b"archive/data.pkl", b"archive/data.pkm")  # its local header bears the other name
    changed = raw[:inner] + first + twin + raw[inner + len(first) : -22]
    end = bytearray(raw[-22:])
    end[8:12] = struct.pack("<HH", 3, 3)
    end[12:16] = struct.pack("<I", len(changed) - inner)
    path.write_bytes(changed + end)
    with pytest.raises((CorruptCheckpoint, UnsafeCheckpoint)):
        read(path)


def test_whose_headers_disagree(tmp_path):
    path = hostile.zipped(tmp_path / "two.pth", pickle.dumps({}, 2))
    raw = bytearray(path.read_bytes())
    raw[30:38] = b"brchive/"
    path.write_bytes(raw)
    with pytest.raises(CorruptCheckpoint, match="describes the entry 'archive/data.pkl' in two ways"):
        read(path)


def test_that_is_compressed(tmp_path):
    path = hostile.zipped(tmp_path / "bomb.pth", pickle.dumps([0] * 10**6, 2), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(FileError, match="is compressed, which torch.save never does"):
        read(path)
