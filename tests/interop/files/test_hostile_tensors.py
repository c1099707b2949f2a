"""Tensors that reach outside their storages, storages outside their files, and every limit by itself."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest

from dilax.errors import ArgumentError, CorruptCheckpoint, FileError, UnsafeCheckpoint
from interop.files import Limits, read

from .hostile import PROTO, safetensors, tar_member, text


def _int(value):
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def _tuple(*values):
    return b"(" + b"".join(map(_int, values)) + b"t"


def _storage(cls=b"torch\nFloatStorage", key=b"0", count=16):
    return b"(" + text(b"storage") + b"c" + cls + b"\n" + text(key) + text(b"cpu") + _int(count) + b"tQ"


def _tensor(storage=None, offset=0, shape=(2, 3), strides=(3, 1), rest=b"\x89ccollections\nOrderedDict\n)R"):
    head = b"ctorch._utils\n_rebuild_tensor_v2\n(" + (storage or _storage())
    return head + _int(offset) + _tuple(*shape) + _tuple(*strides) + rest + b"tR"


def _read(tmp_path, pickled, **limits):
    path = tmp_path / "hostile.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", PROTO + pickled + b".")
        archive.writestr("archive/data/0", np.arange(16, dtype="<f4").tobytes())
    return read(path, limits=Limits(**limits) if limits else None)


def test_the_tensor_that_the_others_are_made_from(tmp_path):
    tensor = _read(tmp_path, b"}" + text(b"a") + _tensor() + b"s")["a"]
    np.testing.assert_array_equal(tensor.numpy(), np.arange(6, dtype=np.float32).reshape(2, 3))


OUTSIDE = {
    "offset": (_tensor(offset=11), "holds a tensor that ends 68 bytes into a storage of 64 ('0')"),
    "shape": (_tensor(shape=(6, 3)), "holds a tensor that ends 72 bytes into a storage of 64 ('0')"),
    "stride": (_tensor(strides=(14, 1)), "holds a tensor that ends 68 bytes into a storage of 64 ('0')"),
    "negative offset": (_tensor(offset=-1), "holds a tensor with a shape, stride or offset that is no count"),
    "negative stride": (_tensor(strides=(-1, 1)), "holds a tensor with a shape, stride or offset that is no count"),
    "negative shape": (_tensor(shape=(-2, 3)), "holds a tensor with a shape, stride or offset that is no count"),
    "shape beyond all memory": (
        _tensor(shape=(2**40, 2**40), strides=(0, 0)),
        "holds a tensor of the impossible shape (1099511627776, 1099511627776)",
    ),
    "product that would overflow to 0": (
        _tensor(shape=(2**32, 2**32), strides=(0, 0)),
        "holds a tensor of the impossible shape (4294967296, 4294967296)",
    ),
    "fewer strides": (_tensor(strides=(1,)), "holds a tensor of 2 axes with 1 strides"),
    "many axes": (_tensor(shape=(1,) * 40, strides=(1,) * 40), "holds a tensor of 40 axes"),
    "storage longer than its bytes": (
        _tensor(_storage(count=17)),
        "says that the storage '0' of 64 bytes has 17 numbers",
    ),
    "storage that counts wider numbers": (
        _tensor(_storage(b"torch\nDoubleStorage", count=9)),
        "says that the storage '0' of 64 bytes has 9 numbers",
    ),
    "storage of a negative count": (
        _tensor(_storage(count=-1)),
        "says that the storage '0' of 64 bytes has -1 numbers",
    ),
    "storage elsewhere": (_tensor(_storage(key=b"../0")), "refers to the storage '../0', which is not there"),
    "storage of a class that is none": (
        _tensor(_storage(b"os\nFloatStorage")),
        "names a storage type that is none",
    ),
    "quantised storage": (_tensor(_storage(b"torch\nQInt8Storage")), "holds a quantised tensor (QInt8Storage)"),
    "negated flags": (
        _tensor(_storage(b"torch\nLongStorage", count=8), rest=b"\x89N}" + text(b"neg") + b"\x88s"),
        "marks a tensor of dtype int64 as conjugate or negative",
    ),
    "parameter of a list": (
        b"ctorch._utils\n_rebuild_parameter\n(]\x88NtR",
        "makes a parameter of something that is no tensor",
    ),
    "subclass that calls": (
        b"ctorch._tensor\n_rebuild_from_type_v2\n(c__builtin__\neval\nN)NtR",
        "asks to run __builtin__.eval",
    ),
    "subclass that calls another builder": (
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ccollections\nOrderedDict\nN)NtR",
        "asks to run collections.OrderedDict",
    ),
    "setitem into a tensor": (_tensor() + b"NNs", "puts pairs into something that is no dictionary"),
    "state of a tensor": (_tensor() + b"}" + text(b"a") + b"Nsb", "gives a state to a value of type LazyTensor"),
    "attribute of an attribute": (
        b"\x8c\x0ccollections\x0a\x8c\x05clear\x93)R",
        r"asks to run collections\n.clear",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_tensors_outside(tmp_path, name):
    pickled, message = OUTSIDE[name]
    with pytest.raises(FileError) as caught:
        _read(tmp_path, pickled)
    assert str(caught.value).startswith(f"read: {str(tmp_path / 'hostile.pth')!r} {message} (at byte ")


LIMITS = {
    "pickle_bytes": ({"pickle_bytes": 20}, "holds a pickle of more than 20 bytes"),
    "objects": ({"objects": 50}, "holds a pickle of more than 50 values"),
    "text_bytes": ({"text_bytes": 3}, "asks for a text of 7 bytes, more than 3"),
    "entries": ({"entries": 1}, "holds 2 entries, more than 1"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit(tmp_path, name):
    limits, message = LIMITS[name]
    with pytest.raises(UnsafeCheckpoint) as caught:
        _read(tmp_path, _tensor(), **limits)
    assert message in str(caught.value)
    assert str(caught.value).endswith("; raise the limit with interop.Limits if you trust the file.")
    assert _read(tmp_path, _tensor(), **{name: 100_000}).root.shape == (2, 3)


def test_limits_of_headers_and_keys(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', bytes(4)))
    for limits in (Limits(header_bytes=20), Limits(objects=3)):
        with pytest.raises(UnsafeCheckpoint):
            read(path, limits=limits)
    with pytest.raises(UnsafeCheckpoint, match="holds more than 1 keys of large numbers"):
        _read(tmp_path, b"}(" + _int(2**40) + b"N" + _int(2**41) + b"Nu", number_keys=1)
    assert _read(tmp_path, b"}(" + _int(2**40) + b"N" + _int(2**41) + b"Nu")[2**41] is None
    with pytest.raises(
        ArgumentError, match=r"^Limits: entries=None is not a positive integer; pass e\.g\. 1_000_000\.$"
    ):
        Limits(entries=None)


def _tar(storages=b"", tensors=b"", content=PROTO + b"}."):
    return {
        "storages": storages or pickle.dumps(0, 2) + pickle.dumps([], 2),
        "tensors": tensors or pickle.dumps(0, 2),
        "pickle": content,
    }


def _archive(members):
    return b"".join(tar_member(name, content) for name, content in members.items()) + bytes(1024)


def _changed(raw, at, new):
    return raw[:at] + new + raw[at + len(new) :]


_GOOD = _archive(_tar())
_ONE = pickle.dumps(1, 2)
_FLOATS = PROTO + b"K\x00" + text(b"cpu") + b"ctorch\nFloatStorage\n\x87."
TARS = {
    "another checksum": (_changed(_GOOD, 150, b"7"), "is a damaged tar archive: the checksum of a header differs"),
    "size that is no number": (_changed(_GOOD, 130, b"x"), "is a damaged tar archive: a header holds no number"),
    "size beyond the file": (_GOOD[:520], "ends inside its entry 'storages': it is truncated"),
    "two members missing": (_GOOD[:1200], "is a tar archive without 'tensors' and 'pickle': it is truncated"),
    "one member twice": (tar_member("tensors", b"") + _GOOD, "holds a damaged entry 'tensors'"),
    "storage beyond the file": (
        _archive(_tar(pickle.dumps(1, 2) + _FLOATS + struct.pack("<q", 2**40))),
        "ends inside the storage 0: it is truncated",
    ),
    "storage of a negative count": (
        _archive(_tar(pickle.dumps(1, 2) + _FLOATS + struct.pack("<q", -1))),
        "ends inside the storage 0: it is truncated",
    ),
    "part outside": (
        _archive(_tar(_ONE + _FLOATS + struct.pack("<q", 1) + bytes(4) + pickle.dumps([(1, 0, 0, 2)], 2))),
        "refers to a part of the storage 0 that lies outside it",
    ),
    "tensor without a storage": (
        _archive(_tar(tensors=pickle.dumps(1, 2) + pickle.dumps((1, 5, None), 2))),
        "refers to the storage 5, which is not there",
    ),
    "tensor of many axes": (
        _archive(_tar(pickle.dumps(1, 2) + _FLOATS + struct.pack("<q", 0) + pickle.dumps([], 2),
                      pickle.dumps(1, 2) + pickle.dumps((1, 0, None), 2) + struct.pack("<ii", 2**30, 0))),
        "holds a tensor of 1073741824 axes",
    ),
    "tensor that is not there": (
        _archive(_tar(content=PROTO + b"K\x05Q.")),
        "refers to the tensor 5, which is not there",
    ),
    "call": (_archive(_tar(content=PROTO + b"cos\nsystem\n)R.")), "asks to run os.system"),
    "count of many": (_archive(_tar(pickle.dumps(10**9, 2))), "ends in the middle of a pickle"),
}  # fmt: skip


@pytest.mark.parametrize("name", TARS)
def test_tar_archives_that_lie(tmp_path, name):
    raw, message = TARS[name]
    path = tmp_path / "hostile.tar"
    path.write_bytes(_GOOD)
    assert dict(read(path)) == {}
    path.write_bytes(raw)
    with pytest.raises((CorruptCheckpoint, UnsafeCheckpoint)) as caught:
        read(path)
    assert str(caught.value).startswith(f"read: {str(path)!r} {message}")


@pytest.mark.parametrize("shard", ["/etc/passwd", "..", "a/b", "a\\b", "", "C:x", "model.index.json", 5, None, ["a"]])
def test_indexes_that_lead_elsewhere(tmp_path, shard):
    path = tmp_path / "model.index.json"
    path.write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises((CorruptCheckpoint, UnsafeCheckpoint)):
        read(path)


def test_nested_files_inside_a_plain_pickle_stay_one_deep(tmp_path):
    inner = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        inner.write(pickle.dumps(value, 2))
    body = b"B" + struct.pack("<I", 3) + b"abc"
    inner.write(PROTO + b"ctorch.storage\n_load_from_bytes\n" + body + b"\x85R." + pickle.dumps([], 2))
    outer = PROTO + b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(inner.getvalue())) + inner.getvalue()
    path = tmp_path / "nested.pkl"
    path.write_bytes(outer + b"\x85R.")
    with pytest.raises(UnsafeCheckpoint, match="asks to run torch.storage._load_from_bytes"):
        read(path)
