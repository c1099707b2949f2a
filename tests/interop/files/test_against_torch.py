"""Checkpoints that hypothesis makes read equal to torch.load, bit by bit, in all of PyTorch's formats."""

import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interop.files import LazyTensor, read, write

from .comparing import assert_same
from .drawing import DTYPES, OLDEST_DTYPES, as_oldest_torch, bases, checkpoints

# Dtypes that have no typed storage.
NEWER = [getattr(torch, name) for name in DTYPES if name.startswith(("float8", "uint")) and name != "uint8"]

# Deadlines say how busy the machine is; the directory is written anew by each example.
slowly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def _pairs(ours, theirs):
    """Tensors of both sides that correspond."""
    if isinstance(theirs, torch.Tensor):
        yield ours, theirs
    elif isinstance(theirs, dict):
        for key in theirs:
            yield from _pairs(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        for one, other in zip(ours, theirs, strict=True):
            yield from _pairs(one, other)


def assert_same_layout(ours, theirs, *, strides=True):
    """Both sides have the same tensors on the same storages, at the same places."""
    pairs = list(_pairs(ours, theirs))
    groups = [(id(one.storage), other.untyped_storage()._cdata) for one, other in pairs if one.storage.nbytes]
    assert len(set(groups)) == len({one for one, _ in groups}) == len({other for _, other in groups})
    for one, other in pairs:
        assert one.requires_grad == other.requires_grad
        assert one.storage.nbytes == other.untyped_storage().nbytes()
        if strides:
            assert (one.strides, one.offset) == (other.stride(), other.storage_offset())


def _is_newer(saved):
    return any(tensor.dtype in NEWER for _, tensor in _pairs(saved, saved))


def _load(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, **options)


@slowly
@given(
    checkpoints(),
    st.sampled_from([(True, 2), (True, 3), (True, 4), (True, 5), (False, 2), (False, 4)]),
)
def test_zip_and_legacy_format(tmp_path, saved, how):
    new, protocol = how
    path = tmp_path / "checkpoint"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(saved, path, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    ours = read(path)
    # torch.load cannot read what torch.save writes of newer dtypes in the older format.
    theirs = _load(path, weights_only=False) if new or not _is_newer(saved) else saved
    assert ours.format == ("torch" if new else "torch legacy")
    assert_same(dict(ours), theirs)
    assert_same_layout(dict(ours), theirs)


@slowly
@given(checkpoints(OLDEST_DTYPES, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()))
def test_tar_format(tmp_path, saved):
    path = tmp_path / "checkpoint.tar"
    saved = _plain(saved)
    as_oldest_torch(path, saved)
    theirs, ours = _load(path, weights_only=False), read(path)
    assert ours.format == "torch tar"
    pairs = [pair for pair in _pairs(dict(ours), theirs) if pair[1].ndim]
    assert_same([one for one, _ in pairs], [other for _, other in pairs])
    for one, other in _pairs(dict(ours), theirs):
        if not other.ndim:  # torch 0.1 had no scalars: a tensor of no axes was empty, as it is read
            assert one.shape == (0,)


def _plain(value):
    """The checkpoint without parameters and lazy marks, which torch 0.1 lacked in its pickles."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, dict):
        return type(value)((key, _plain(element)) for key, element in value.items())
    return type(value)(map(_plain, value)) if isinstance(value, list | tuple) else value


@slowly
@given(checkpoints(plain=st.none() | st.integers(-(2**70), 2**70) | st.text() | st.floats(allow_nan=False)))
def test_what_we_write_reads_equal_in_torch(tmp_path, saved):
    torch.save(saved, tmp_path / "theirs.pth")
    first = read(tmp_path / "theirs.pth")
    write(tmp_path / "ours.pth", first)
    again, loaded = read(tmp_path / "ours.pth"), torch.load(tmp_path / "ours.pth", weights_only=True)
    assert_same(dict(again), loaded)
    assert_same(dict(again), saved)
    write(tmp_path / "again.pth", again)
    assert (tmp_path / "again.pth").read_bytes() == (tmp_path / "ours.pth").read_bytes()


def _as_big_endian(path, tensors):
    """Turn a file of these whole tensors into what a machine of the other byte order writes."""
    content = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            content[info.filename] = archive.read(info)
    folder = next(name for name in content if name.endswith("data.pkl")).removesuffix("data.pkl")
    content[f"{folder}byteorder"] = b"big"
    for number, tensor in enumerate(tensors):
        part = tensor.dtype.itemsize // (2 if tensor.is_complex() else 1)
        raw = np.frombuffer(content[f"{folder}data/{number}"], np.uint8).reshape(-1, part)
        content[f"{folder}data/{number}"] = raw[:, ::-1].tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


@slowly
@given(bases(DTYPES))
def test_big_endian_zip(tmp_path, saved):
    path = tmp_path / "big.pth"
    torch.save({f"{number}": tensor for number, tensor in enumerate(saved)}, path)
    _as_big_endian(path, saved)
    ours, theirs = read(path), torch.load(path, weights_only=True)
    for number, tensor in enumerate(saved):
        assert_same(ours[f"{number}"], tensor)
        if tensor.dtype not in (torch.uint16, torch.uint32, torch.uint64):  # which torch.load leaves unturned
            assert_same(ours[f"{number}"], theirs[f"{number}"])
    write(tmp_path / "little.pth", ours)
    assert_same(list(read(tmp_path / "little.pth").values()), saved)


@pytest.mark.filterwarnings("ignore:.*legacy:UserWarning")
def test_big_endian_legacy(tmp_path):
    path = tmp_path / "big.pth"
    saved = {"a": torch.arange(5, dtype=torch.int16), "b": torch.randn(3, dtype=torch.complex64)}
    torch.save(saved, path, _use_new_zipfile_serialization=False)
    raw = path.read_bytes()
    flag = raw.index(b"little_endian") + len(b"little_endian")
    changed = raw[:flag] + raw[flag:].replace(b"\x88", b"\x89", 1)
    assert changed != raw
    path.write_bytes(changed)
    assert_same(dict(read(path)), torch.load(path, weights_only=True))


@slowly
@given(checkpoints(), st.integers(2, 5))
def test_plain_pickle_of_tensors(tmp_path, saved, protocol):
    path = tmp_path / "plain.pkl"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(pickle.dumps(saved, protocol))
        theirs = saved if _is_newer(saved) else pickle.loads(path.read_bytes())
    ours = read(path)
    assert ours.format == "pickle"
    assert_same(dict(ours), theirs)
    assert all(isinstance(one, LazyTensor) for one, _ in _pairs(dict(ours), theirs))
