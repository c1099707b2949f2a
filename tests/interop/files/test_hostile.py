"""Files that are damaged or hostile are refused in one sentence, and nothing that they name happens."""

import io
import os
import pickle
import struct
import sys
import zipfile

import numpy as np
import pytest
import torch

from dilax.errors import CorruptCheckpoint, DilaxError, FileError, UnsafeCheckpoint
from interop.files import LazyTensor, Limits, read, write

from . import hostile


def _zip(path, pickled, *, entries=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in entries:
            archive.writestr(name, content)
    return path


class Reduce:
    """Pickles as a call of ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


CALLS = {
    "os.system": Reduce(os.system, "touch /tmp/dilax-was-here"),
    "eval": Reduce(eval, "print(1)"),
    "getattr": Reduce(getattr, "a", "upper"),
    "exec": Reduce(exec, "raise SystemExit"),
    "open": Reduce(open, "/tmp/dilax-was-here", "w"),
    "torch.load": Reduce(torch.load, "other.pt"),
    "torch.hub": Reduce(torch.hub.load, "a/b", "c"),
    "numpy.load": Reduce(np.load, "x.npy", None, True),
    "codecs": Reduce(__import__("codecs").lookup, "utf-8"),
    "importlib": Reduce(__import__("importlib").import_module, "this"),
    "nested": {"model": [Reduce(os.system, "true")]},
    "jit": Reduce(torch.jit.load, "x.pt"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("container", ["zip", "plain"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_calls_are_refused(tmp_path, name, container, protocol):
    path = tmp_path / "hostile.pth"
    pickled = pickle.dumps(CALLS[name], protocol=protocol)
    _zip(path, pickled) if container == "zip" else path.write_bytes(pickled)
    modules = set(sys.modules)
    with pytest.raises(UnsafeCheckpoint, match="asks to run "):
        read(path)
    assert set(sys.modules) == modules
    assert not os.path.exists("/tmp/dilax-was-here")


@pytest.mark.parametrize("name", hostile.PICKLES)
@pytest.mark.parametrize("container", ["zip", "plain"])
def test_malformed_and_greedy_pickles(tmp_path, name, container):
    path = tmp_path / "hostile.pth"
    _zip(path, hostile.PICKLES[name]) if container == "zip" else path.write_bytes(hostile.PICKLES[name])
    with pytest.raises(FileError) as caught:
        read(path)
    assert str(caught.value).startswith(f"read: {str(path)!r} ")
    assert "\n" not in str(caught.value)
    of_another_kind = name == "NumPy array of objects" or (container == "plain" and name == "protocol 9")
    assert isinstance(caught.value, CorruptCheckpoint | UnsafeCheckpoint) != of_another_kind


def test_deep_values_do_not_end_the_process(tmp_path):
    path = tmp_path / "deep.pkl"
    path.write_bytes(hostile.PROTO + b")" + b"\x85" * 200_000 + b".")
    assert isinstance(read(path).root, tuple)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", hostile.REPEATED)
def test_work_is_bounded_by_what_a_file_holds(tmp_path, name):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(hostile.REPEATED[name])
    with pytest.raises((UnsafeCheckpoint, CorruptCheckpoint)):
        read(path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", hostile.COLLIDING)
def test_keys_that_collide(tmp_path, name):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(hostile.COLLIDING[name])
    with pytest.raises(UnsafeCheckpoint, match="holds more than 10,000 keys of large numbers"):
        read(path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", hostile.LAUGHS)
def test_values_that_hold_each_other_often(tmp_path, name, capsys):
    from dilax.cli import main

    path = tmp_path / "laughs.pkl"
    path.write_bytes(hostile.LAUGHS[name])
    root = read(path).root
    assert main(["inspect", str(path)]) == 0
    assert main(["inspect", str(path), "--json"]) == 0
    assert len(capsys.readouterr().out) < 100_000
    with pytest.raises(DilaxError) as caught:
        write(tmp_path / "new.pth", {"a": root})
    assert str(caught.value) == (
        "write: the mapping holds the same lists, tuples or dictionaries more than 1,000,000 times; "
        "pass arrays in place of them."
    )


@pytest.mark.timeout(20)
@pytest.mark.parametrize("place", ["root", "persistent id", "storage", "device", "size", "layout"])
def test_names_that_are_such_values(tmp_path, place):
    laughs = hostile.LAUGHS["lists"][2:-1]
    name = b"".join(b"X" + struct.pack("<I", len(t)) + t for t in (b"storage",))
    pickled = {
        "root": b"\x80\x02" + laughs + b".",
        "persistent id": b"\x80\x02" + laughs + b"Q.",
        "storage": b"\x80\x02(" + name + b"ctorch\nFloatStorage\n" + laughs + b"NNtQ.",
        "device": b"\x80\x02ctorch\ndevice\n" + laughs + b"\x85R.",
        "size": b"\x80\x02ctorch\nSize\n" + laughs + b"\x85R.",
        "layout": b"\x80\x02ctorch.serialization\n_get_layout\n" + laughs + b"\x85R.",
    }[place]
    for path in (_zip(tmp_path / "a.pth", pickled), tmp_path / "b.pkl"):
        if path.suffix == ".pkl":
            path.write_bytes(pickled)
        if place == "root":
            assert isinstance(read(path).root, list)
        else:
            with pytest.raises(CorruptCheckpoint):
                read(path)


@pytest.mark.timeout(20)
def test_modules_that_share_their_parts_often(tmp_path):
    path = tmp_path / "modules.pkl"
    path.write_bytes(hostile.module_laughs())
    with pytest.raises(UnsafeCheckpoint, match="holds a pickle of more than 100,000 values"):
        read(path, limits=Limits(objects=100_000))
    path.write_bytes(b"\x80\x02" + hostile.module([]) + b"q\x000" + hostile.module([b"h\x00"] * 3) + b".")
    assert dict(read(path)) == {}


@pytest.mark.timeout(20)
def test_tensors_that_repeat_one_number(tmp_path):
    path = tmp_path / "wide.pth"
    torch.save({"a": torch.ones(1).expand(2**40)}, path)
    with pytest.raises(UnsafeCheckpoint, match="holds tensors that exceed the file by more than 4,294,967,296 bytes"):
        read(path)
    tensor = read(path, limits=Limits(repeated_bytes=2**43))["a"]
    assert isinstance(tensor, LazyTensor)
    assert tensor.numpy()[-1] == 1
    torch.save([torch.ones(1000).expand(1000, 1000) for _ in range(2000)], path)
    with pytest.raises(UnsafeCheckpoint, match="exceed the file"):
        read(path)


def test_json_of_many_values(tmp_path):
    path = tmp_path / "many.safetensors"
    header = b'{"a":[' + b"[]," * 6_000_000 + b"[]]}"
    path.write_bytes(hostile.safetensors(header))
    with pytest.raises(UnsafeCheckpoint, match="has a header of more than 1,000,000 values"):
        read(path, limits=Limits(objects=1_000_000))


def test_names_that_a_terminal_would_obey(tmp_path):
    path = tmp_path / "named.pkl"
    path.write_bytes(b"\x80\x04\x8c\x09a\x1b[31m\nb\n\x8c\x01c\x93)R.")
    with pytest.raises(UnsafeCheckpoint) as caught:
        read(path)
    assert r"asks to run a\x1b[31m\nb\n.c (at byte " in str(caught.value)


def test_limits_can_be_set_and_are_named(tmp_path):
    path = tmp_path / "many.pkl"
    path.write_bytes(pickle.dumps(list(range(1000)), protocol=2))
    with pytest.raises(UnsafeCheckpoint) as caught:
        read(path, limits=Limits(objects=100))
    assert str(caught.value).startswith(f"read: {str(path)!r} holds a pickle of more than 100 values (at byte ")
    assert str(caught.value).endswith("; raise the limit with interop.Limits if you trust the file.")
    with pytest.raises(DilaxError) as caught:
        Limits(objects=0)
    assert str(caught.value) == "Limits: objects=0 is not a positive integer; pass e.g. 1_000_000."


@pytest.mark.parametrize("name", hostile.SAFETENSORS)
def test_malformed_safetensors(tmp_path, name):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(hostile.SAFETENSORS[name])
    with pytest.raises((CorruptCheckpoint, UnsafeCheckpoint)) as caught:
        read(path)
    assert str(caught.value).startswith(f"read: {str(path)!r} ")


@pytest.mark.parametrize("entry", ["../evil", "/evil", "a/../../evil", "C:evil", "archive\\evil"])
def test_zip_names_that_lead_outside(tmp_path, entry):
    path = tmp_path / "hostile.pth"
    buffer = io.BytesIO()
    _zip(buffer, pickle.dumps({}, 2), entries=[("x" * len(entry), b"a")])
    path.write_bytes(buffer.getvalue().replace(b"x" * len(entry), entry.encode()))
    with pytest.raises(UnsafeCheckpoint, match="which leads outside the archive"):
        read(path)


def test_zip_with_one_name_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = _zip(tmp_path / "twice.pth", pickle.dumps({}, 2), entries=[("archive/data.pkl", pickle.dumps(1, 2))])
    with pytest.raises(UnsafeCheckpoint, match="holds two entries named 'archive/data.pkl'"):
        read(path)


def test_zip_with_two_checkpoints(tmp_path):
    path = _zip(tmp_path / "both.pth", pickle.dumps({}, 2), entries=[("other/data.pkl", pickle.dumps(1, 2))])
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
def test_zip_records_that_lie(tmp_path, name):
    signature, offset, form, value, message = ZIP_CHANGES[name]
    path = _zip(tmp_path / "lying.pth", pickle.dumps({}, 2), entries=[("archive/version", b"3")])
    if value is None:
        for at in range(struct.calcsize(form) // struct.calcsize(form[:2])):
            _changed(path, signature, offset + at * struct.calcsize(form[:2]), form[:2], 999)
    else:
        _changed(path, signature, offset, form, value)
    with pytest.raises((CorruptCheckpoint, UnsafeCheckpoint), match=message):
        read(path)


def test_zip_entries_that_lie_over_one_another(tmp_path):
    path = _zip(tmp_path / "over.pth", pickle.dumps({}, 2), entries=[("archive/data/0", b"abcd")])
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


def test_zip_whose_headers_disagree(tmp_path):
    path = _zip(tmp_path / "two.pth", pickle.dumps({}, 2))
    raw = bytearray(path.read_bytes())
    raw[30:38] = b"brchive/"
    path.write_bytes(raw)
    with pytest.raises(CorruptCheckpoint, match="describes the entry 'archive/data.pkl' in two ways"):
        read(path)


def test_zip_that_is_compressed(tmp_path):
    path = _zip(tmp_path / "bomb.pth", pickle.dumps([0] * 10**6, 2), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(FileError, match="is compressed, which torch.save never does"):
        read(path)


def _checkpoint(tmp_path, name):
    path = tmp_path / name
    value = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2, dtype=torch.int8), "epoch": 3}
    if name == "s.safetensors":
        from safetensors.torch import save_file

        save_file({key: value[key] for key in "ab"}, path)
    else:
        torch.save(value, path, _use_new_zipfile_serialization=name == "z.pth")
    return path


@pytest.mark.filterwarnings("ignore:.*legacy:UserWarning")
@pytest.mark.parametrize("name", ["z.pth", "l.pth", "s.safetensors"])
def test_every_truncation_is_noticed(tmp_path, name):
    raw = _checkpoint(tmp_path, name).read_bytes()
    path = tmp_path / "short"
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(FileError):
            read(path)


@pytest.mark.filterwarnings("ignore:.*legacy:UserWarning")
@pytest.mark.parametrize("name", ["z.pth", "l.pth", "s.safetensors"])
def test_every_flipped_byte_gives_an_answer_or_an_error_of_ours(tmp_path, name):
    raw = _checkpoint(tmp_path, name).read_bytes()
    path = tmp_path / "flipped"
    wrong = 0
    for at in range(len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x41]) + raw[at + 1 :])
        try:
            checkpoint = read(path)
            arrays = [value.numpy() for value in checkpoint.values() if hasattr(value, "numpy")]
        except FileError:
            continue
        wrong += len(arrays) == 2 and not np.array_equal(arrays[0].ravel(), np.arange(6))
    if name == "z.pth":  # the only format with checksums
        assert wrong == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; copy or download it again."),
        (b"\x89HDF\r\n", "is an HDF5 file; pass a file that torch.save or safetensors wrote."),
        (b"<!DOCTYPE html>", "is a web page; pass a file that torch.save or safetensors wrote."),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a Git LFS pointer, not the file itself; pass a file that torch.save or safetensors wrote.",
        ),
        (
            b"hello, world",
            "is of no known kind (it begins with b'hello, w'); pass a file that torch.save or safetensors wrote.",
        ),
        (
            b'{"a": 1}',
            "is a JSON file without a weight_map, so no checkpoint's index; "
            "pass a file that torch.save or safetensors wrote.",
        ),
    ],
)
def test_files_of_another_kind(tmp_path, content, message):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        read(path)
    assert str(caught.value) == f"read: {str(path)!r} {message}"


def test_paths_that_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in (
        ("absent", "does not exist; check the path."),
        ("", "is a directory; pass a checkpoint file inside it."),
        ("pipe", "is not a regular file; pass a checkpoint file."),
    ):
        with pytest.raises(FileError) as caught:
            read(tmp_path / name)
        assert str(caught.value) == f"read: {str(tmp_path / name)!r} {message}"
    for name in ("https://example.org/a.pth", "s3://bucket/a.pth"):
        with pytest.raises(FileError) as caught:
            read(name)
        assert str(caught.value) == (
            f"read: {name.replace('//', '/')!r} is no file of this machine; download it and pass the path of the file."
        )


def test_shards_are_read_and_stay_beside_their_index(tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.arange(3)}, tmp_path / "one.safetensors")
    torch.save({"b": torch.ones(2)}, tmp_path / "two.bin")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"metadata": {}, "weight_map": {"a": "one.safetensors", "b": "two.bin"}}')
    checkpoint = read(index)
    assert (checkpoint.format, list(checkpoint)) == ("sharded", ["a", "b"])
    np.testing.assert_array_equal(checkpoint["a"].numpy(), np.arange(3))
    index.write_text('{"weight_map": {"a": "../one.safetensors"}}')
    with pytest.raises(UnsafeCheckpoint, match="names the file '../one.safetensors', which is not beside it"):
        read(index)
    index.write_text('{"weight_map": {"c": "one.safetensors"}}')
    with pytest.raises(CorruptCheckpoint, match="says that 'c' is in 'one.safetensors', which does not hold it"):
        read(index)
