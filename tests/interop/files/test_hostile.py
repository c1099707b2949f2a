"""Files that are damaged or hostile are refused in one sentence, and nothing that they name happens."""

import os
import pickle
import struct
import sys

import numpy as np
import pytest
import torch

from dilax.errors import CorruptCheckpoint, DilaxError, FileError, UnsafeCheckpoint
from interop.files import LazyTensor, Limits, read, write

from . import hostile


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
    hostile.zipped(path, pickled) if container == "zip" else path.write_bytes(pickled)
    modules = set(sys.modules)
    with pytest.raises(UnsafeCheckpoint, match="asks to run "):
        read(path)
    assert set(sys.modules) == modules
    assert not os.path.exists("/tmp/dilax-was-here")


@pytest.mark.parametrize("name", hostile.PICKLES)
@pytest.mark.parametrize("container", ["zip", "plain"])
def test_malformed_and_greedy_pickles(tmp_path, name, container):
    path = tmp_path / "hostile.pth"
    hostile.zipped(path, hostile.PICKLES[name]) if container == "zip" else path.write_bytes(hostile.PICKLES[name])
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
    for path in (hostile.zipped(tmp_path / "a.pth", pickled), tmp_path / "b.pkl"):
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
