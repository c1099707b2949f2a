"""Files of torch.save read equal to what was saved, in every format."""

import importlib
import io
import pickle
import re
import sys
import tarfile
import warnings
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

from dilax.errors import FileError
from interop.files import LazyTensor, read

from .comparing import assert_same
from .drawing import DTYPES


def _tensor(dtype, generator):
    return (torch.rand(2, 3, generator=generator) * 100).to(getattr(torch, dtype))


def _everything():
    generator = torch.Generator().manual_seed(3)
    base = torch.randn(120, generator=generator)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, dilation=2), nn.BatchNorm2d(4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.randn(2, 3, 7, 8, generator=generator)).sum().backward()
    optimizer.step()
    complex_numbers = [torch.randn(3, dtype=torch.complex64, generator=generator) for _ in range(2)]
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "numbers": [2**70, -5, 2**31, 1.5, float("inf"), 1 + 2j, True, None],
        "texts": ("häé\udc80", "", b"ab\xff", bytearray(b"cd")[:0].decode()),
        "inert": [torch.Size([1, 2]), torch.float32, torch.device("cuda:1"), torch.device("cpu")],
        "dtypes": {dtype: _tensor(dtype, generator) for dtype in DTYPES},
        "views": [base[5:50:3], base.view(10, 12).t(), base[3], base[0:0], base[:1].expand(7, 1)],
        "scalar": torch.tensor(2.5),
        "parameter": nn.Parameter(torch.randn(2, generator=generator)),
        "conjugate": complex_numbers[0].conj(),
        "negative": complex_numbers[1].conj().imag,
        "numpy": [np.arange(6.0).reshape(2, 3).T, np.arange(3, dtype=">i2"), np.float32(2.5)],
        "set": {1, 2},
    }


def _saved(tmp_path, value, **options):
    path = tmp_path / "checkpoint.any"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.save(value, path, **options)
    return path


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "torch"),
        ({"pickle_protocol": 3}, "torch"),
        ({"pickle_protocol": 4}, "torch"),
        ({"pickle_protocol": 5}, "torch"),
        ({"_use_new_zipfile_serialization": False}, "torch legacy"),
        ({"_use_new_zipfile_serialization": False, "pickle_protocol": 4}, "torch legacy"),
    ],
)
def test_everything_torch_can_save(tmp_path, options, kind):
    saved = _everything()
    checkpoint = read(_saved(tmp_path, saved, **options))
    assert checkpoint.format == kind
    assert_same(dict(checkpoint), saved)


@pytest.mark.parametrize("new", [True, False])
def test_tensors_share_storage_as_before(tmp_path, new):
    base = torch.arange(12.0)
    path = _saved(tmp_path, {"a": base[2:], "b": base.view(3, 4).t()}, _use_new_zipfile_serialization=new)
    checkpoint = read(path)
    assert checkpoint["a"].storage is checkpoint["b"].storage
    assert checkpoint["b"].strides == (1, 4)


def test_arrays_are_views_of_the_file(tmp_path):
    checkpoint = read(_saved(tmp_path, {"a": torch.arange(1000.0)}))
    array = checkpoint["a"].numpy()
    assert not array.flags.owndata
    assert not array.flags.writeable
    assert np.asarray(checkpoint["a"], np.float64).dtype == np.float64


def test_jax_arrays_are_views_of_the_file_too(tmp_path):
    saved = {"a": torch.arange(3000.0).view(30, 100), "t": torch.arange(60.0).view(6, 10).t(), "n": torch.tensor(2)}
    checkpoint = read(_saved(tmp_path, saved))
    arrays = {key: jnp.asarray(tensor) for key, tensor in checkpoint.items()}
    assert arrays["a"].unsafe_buffer_pointer() == checkpoint["a"].numpy().ctypes.data
    added = jax.jit(lambda x: x + 1, donate_argnums=0)(arrays.pop("a"))  # must not write into the file
    np.testing.assert_array_equal(added, saved["a"].numpy() + 1)
    np.testing.assert_array_equal(checkpoint["a"].numpy(), saved["a"].numpy())
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, saved[key].numpy())
    assert jnp.asarray(checkpoint["a"], jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize("count", [100_003, 1_000_003])  # copied by one thread, and by several
def test_what_lies_askew_is_copied_and_its_pages_let_go(tmp_path, count):
    numbers = np.random.default_rng(0).random(count, np.float32)
    path = tmp_path / "unaligned.safetensors"
    header = f'{{"a":{{"dtype":"F32","shape":[{count}],"data_offsets":[0,{4 * count}]}}}}'.encode()
    header += b" " * (8 - len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + numbers.tobytes())
    tensor = read(path)["a"]
    view = tensor.numpy()
    assert view.ctypes.data % 64
    np.testing.assert_array_equal(jnp.asarray(tensor), numbers)
    np.testing.assert_array_equal(view, numbers)
    copy = np.array(tensor)
    assert copy.flags.writeable
    np.testing.assert_array_equal(copy, numbers)


def test_an_array_without_axes_and_one_without_numbers_are_copied(tmp_path):
    saved = {"one": torch.tensor(2.5, dtype=torch.float64), "none": torch.zeros(3, 0), "turned": torch.ones(2, 3).t()}
    checkpoint = read(_saved(tmp_path, saved))
    for key, tensor in checkpoint.items():
        copy = np.array(tensor)
        assert copy.flags.writeable
        assert copy.dtype == saved[key].numpy().dtype
        assert copy.shape == saved[key].shape
        np.testing.assert_array_equal(copy, saved[key].numpy())


def test_metadata_of_a_state_dict_is_kept(tmp_path):
    state = nn.BatchNorm1d(3).state_dict()
    checkpoint = read(_saved(tmp_path, state))
    assert checkpoint.root._metadata == state._metadata


def test_bare_tensor_has_a_root_and_no_items(tmp_path):
    checkpoint = read(_saved(tmp_path, torch.arange(4)))
    assert isinstance(checkpoint.root, LazyTensor)
    assert len(checkpoint) == 0


class Net(nn.Module):
    """Pickled whole below, by a name that reading must not import."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, dilation=2)
        self.tail = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1, bias=False))
        self.register_buffer("hidden", torch.ones(2), persistent=False)
        self.register_buffer("kept", torch.ones(3))


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("wrap", [lambda net: net, nn.DataParallel])
def test_whole_modules_give_their_state_dict(tmp_path, new, wrap):
    net = wrap(Net())
    checkpoint = read(_saved(tmp_path, {"net": net, "epoch": 2}, _use_new_zipfile_serialization=new))
    assert_same(dict(checkpoint["net"]), dict(net.state_dict()))
    name = f"{type(net).__module__}.{type(net).__qualname__}"
    assert checkpoint.notes == (
        f"'net' is a whole module of the class {name}, which was not imported; its state_dict was recovered",
    )


def test_nothing_that_a_file_names_is_imported(tmp_path, monkeypatch):
    (tmp_path / "a_module_of_theirs.py").write_text("from torch import nn\nclass Theirs(nn.Linear):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("a_module_of_theirs").Theirs(3, 2)
    path = _saved(tmp_path, module)
    del sys.modules["a_module_of_theirs"]
    before = set(sys.modules)
    assert_same(dict(read(path)), dict(module.state_dict()))
    assert set(sys.modules) == before


def test_plain_pickles_with_numpy_arrays(tmp_path):
    path = tmp_path / "weights.pkl"
    value = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "blobs": [1, "two"]}
    path.write_bytes(pickle.dumps(value, protocol=4))
    checkpoint = read(path)
    assert checkpoint.format == "pickle"
    assert_same(dict(checkpoint), value)


def test_oldest_tar_format(tmp_path):
    # Written by hand as torch 0.1.9 did (torch.serialization.legacy_load reads it so): no version here writes it.
    numbers = np.arange(12, dtype=np.float32)
    storages = io.BytesIO()
    pickle.dump(1, storages, 2)
    pickle.dump((0, "cpu", torch.FloatStorage), storages, 2)
    storages.write(np.int64(numbers.size).tobytes() + numbers.tobytes())
    pickle.dump([(7, 0, 4, 6)], storages, 2)
    tensors = io.BytesIO()
    pickle.dump(2, tensors, 2)
    for key, storage, shape, strides, offset in ((1, 0, (3, 2), (1, 3), 2), (2, 7, (6,), (1,), 0)):
        pickle.dump((key, storage, torch.FloatTensor), tensors, 2)
        tensors.write(np.array([len(shape), 0], np.int32).tobytes())
        tensors.write(np.array([*shape, *strides, offset], np.int64).tobytes())

    class Writer(pickle._Pickler):  # the C pickler writes persistent ids of ints otherwise
        def persistent_id(self, value):
            return value[1] if isinstance(value, tuple) and value[:1] == ("tensor",) else None

    content = io.BytesIO()
    Writer(content, 2).dump(OrderedDict(a=("tensor", 1), b=("tensor", 2), epoch=4))
    path = tmp_path / "old.tar"
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name, part in (("storages", storages), ("tensors", tensors), ("pickle", content)):
            info = tarfile.TarInfo(name)
            info.size = len(part.getvalue())
            archive.addfile(info, io.BytesIO(part.getvalue()))
    checkpoint = read(path)
    assert checkpoint.format == "torch tar"
    theirs = torch.load(path, weights_only=False)
    assert_same(dict(checkpoint), dict(theirs))
    np.testing.assert_array_equal(checkpoint["a"].numpy(), numbers[2:8].reshape(2, 3).T)


def test_checksums_that_torch_was_told_to_leave_out(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        path = _saved(tmp_path, {"a": torch.arange(5)})
    finally:
        torch.serialization.set_crc32_options(True)
    np.testing.assert_array_equal(read(path)["a"].numpy(), np.arange(5))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: torch.eye(3).to_sparse(), "a sparse tensor"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "a quantised tensor (QInt8Storage)"),
        (lambda: torch.empty(3, device="meta"), "a tensor of the device 'meta', which has no numbers"),
        (lambda: torch.zeros(2, dtype=torch.complex32), "a tensor of dtype complex32, which NumPy cannot hold"),
    ],
)
def test_tensors_that_numpy_cannot_hold_are_refused_by_name(tmp_path, make, what):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = _saved(tmp_path, {"a": make()})
    with pytest.raises(FileError) as caught:
        read(path)
    assert re.fullmatch(
        re.escape(f"read: {str(path)!r} holds {what} (at byte ")
        + r"[\d,]+\); save it as dense tensors of a common dtype with torch\.save\.",
        str(caught.value),
    )
