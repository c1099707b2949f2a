"""Files of ours read equal in PyTorch and safetensors, and come back bit for bit."""

import os
import re
import tracemalloc
from collections import Counter, OrderedDict

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dilax.errors import ArgumentError, DilaxError, FileError
from interop.files import read, write

from .comparing import assert_same
from .drawing import DTYPES
from .test_reading_torch import _everything, _saved


@pytest.mark.parametrize("mmap", [False, True])
def test_torch_reads_everything_that_we_write(tmp_path, mmap):
    saved = _everything()
    del saved["set"], saved["numpy"]
    path = tmp_path / "ours.pth"
    write(path, read(_saved(tmp_path, saved)))
    loaded = torch.load(path, weights_only=True, mmap=mmap)
    assert_same(dict(read(path)), loaded)
    assert_same(dict(read(path)), saved)
    assert loaded["views"][0].untyped_storage().data_ptr() == loaded["views"][1].untyped_storage().data_ptr()
    assert loaded["parameter"].requires_grad


def test_arrays_of_any_library(tmp_path):
    path = tmp_path / "arrays.pth"
    rng = np.random.default_rng(0)
    values = {
        "numpy": rng.normal(size=(2, 3)).T,
        "big": rng.normal(size=3).astype(">f4"),
        "jax": jnp.arange(3, dtype=jnp.bfloat16),
        "torch": torch.arange(4).view(2, 2),
        "zero": np.array(5),
        "number": np.float32(1.5),
    }
    write(path, OrderedDict(state=values))
    loaded = torch.load(path, weights_only=True)["state"]
    np.testing.assert_array_equal(loaded["numpy"].numpy(), values["numpy"])
    np.testing.assert_array_equal(loaded["big"].numpy(), values["big"])
    assert loaded["jax"].dtype == torch.bfloat16
    assert loaded["jax"].tolist() == [0, 1, 2]
    assert torch.equal(loaded["torch"], values["torch"])
    assert loaded["zero"].shape == ()
    assert loaded["number"] == 1.5


def test_equal_contents_give_equal_bytes(tmp_path):
    for name in ("a.pth", "a.safetensors"):
        write(tmp_path / name, {"x": np.arange(5), "y": np.ones((2, 3), np.float16)})
        write(tmp_path / f"again-{name}", {"x": np.arange(5), "y": np.ones((2, 3), np.float16)})
        assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()


def test_safetensors_both_ways(tmp_path):
    generator = torch.Generator().manual_seed(0)
    tensors = {
        dtype: (torch.rand(2, 3, generator=generator) * 100).to(getattr(torch, dtype))
        for dtype in DTYPES
        if dtype not in ("complex128", "float8_e4m3fnuz", "float8_e5m2fnuz")
    }
    tensors["none"] = torch.zeros(0, 3)
    tensors["scalar"] = torch.tensor(1.5)
    save_file(tensors, tmp_path / "theirs.safetensors", metadata={"made": "by hand"})
    checkpoint = read(tmp_path / "theirs.safetensors")
    assert checkpoint.metadata == {"made": "by hand"}
    assert_same(dict(checkpoint), {key: tensors[key] for key in checkpoint})
    write(tmp_path / "ours.safetensors", checkpoint)
    loaded = load_file(tmp_path / "ours.safetensors")
    assert_same(dict(checkpoint), {key: loaded[key] for key in checkpoint})
    assert set(loaded) == set(tensors)


def test_no_more_than_one_array_is_made_at_a_time(tmp_path):
    rows = np.random.default_rng(0).random((1000, 1000), np.float32)
    mapping = {f"{n}": rows.T for n in range(20)}  # 4 MB each, to be copied into rows
    for n, array in enumerate(list(mapping.values())):
        mapping[f"{n}"] = array[:, ::-1]
    for name in ("a.pth", "a.safetensors"):
        tracemalloc.start()
        write(tmp_path / name, mapping)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert rows.nbytes <= peak < 3 * rows.nbytes
        np.testing.assert_array_equal(read(tmp_path / name)["7"].numpy(), mapping["7"])


def test_live_tensors_of_every_dtype(tmp_path):
    tensors = {dtype: (torch.rand(2, 3) * 100).to(getattr(torch, dtype)).t() for dtype in DTYPES}
    tensors["parameter"] = torch.nn.Parameter(torch.ones(2))
    write(tmp_path / "live.pth", tensors)
    loaded = torch.load(tmp_path / "live.pth", weights_only=True)
    assert_same(dict(read(tmp_path / "live.pth")), tensors)
    assert_same(dict(read(tmp_path / "live.pth")), loaded)
    assert loaded["parameter"].requires_grad
    with pytest.raises(DilaxError) as caught:
        write(tmp_path / "sparse.pth", {"a": torch.eye(3).to_sparse()})
    assert str(caught.value) == "write: a is a sparse, quantised or meta tensor; pass dense numbers."


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "kept.pth"
    path.write_bytes(b"precious")
    with pytest.raises(DilaxError) as caught:
        write(path, {"model": {"x": np.ones(3), "f": print}})
    assert str(caught.value) == (
        "write: model['f'] is a builtin_function_or_method, which no checkpoint holds; "
        "pass arrays, numbers, texts, lists, tuples and dictionaries."
    )
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["kept.pth"]


def test_errors_of_writing(tmp_path):
    with pytest.raises(FileError, match=re.escape("is a directory; pass the name of a file.")):
        write(tmp_path, {"x": np.ones(3)})
    with pytest.raises(FileError, match=r"cannot be written \(No such file or directory\)"):
        write(tmp_path / "absent" / "x.pth", {"x": np.ones(3)})
    with pytest.raises(ArgumentError, match=r"^write: format='onnx' is unknown; pass 'torch' or 'safetensors'\.$"):
        write(tmp_path / "x", {}, format="onnx")
    with pytest.raises(DilaxError, match=r"^write: 'epoch' is a int, and safetensors hold arrays under texts alone"):
        write(tmp_path / "x.safetensors", {"epoch": 3})
    with pytest.raises(DilaxError, match=r"^write: x has the dtype <U1, which PyTorch lacks; convert it first\.$"):
        write(tmp_path / "x.pth", {"x": np.array(["a"])})
    looped: dict = {}
    looped["self"] = looped
    with pytest.raises(DilaxError, match=r"^write: self contains itself; pass values without cycles\.$"):
        write(tmp_path / "x.pth", looped)
    assert os.listdir(tmp_path) == []


def test_a_counter_stays_one(tmp_path):
    """The milestones of a scheduler are one, and PyTorch asks it for its elements."""
    write(tmp_path / "a.pth", {"milestones": Counter([3, 5, 5])})
    returned = torch.load(tmp_path / "a.pth", weights_only=True)["milestones"]
    assert type(returned) is Counter
    assert sorted(returned.elements()) == [3, 5, 5]
