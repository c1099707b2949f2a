"""Files that PyTorch wrote read right where there is no PyTorch: nothing here imports it."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from interop.files import read, write

FIXTURES = Path(__file__).parent / "fixtures"
FLOATS = ("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")


def _dtype(name):
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def _equal(tensor, expected):
    found = tensor.numpy()
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(expected).tobytes()


def _check(checkpoint):
    for name in FLOATS:
        _equal(checkpoint["model"][name], (np.arange(6, dtype=np.float32).reshape(2, 3) / 4).astype(_dtype(name)))
    for name in INTEGERS:
        _equal(checkpoint["integers"][name], np.arange(6).reshape(3, 2).astype(name))
    base = np.arange(24, dtype=np.float32)
    line = np.arange(1, 4, dtype=np.float32)
    _equal(checkpoint["bool"], np.array([True, False, True]))
    _equal(checkpoint["complex"], (line - 1j * line).astype(np.complex64))
    _equal(checkpoint["conjugate"], (line + 1j * line).astype(np.complex64))
    _equal(checkpoint["transposed"], base.reshape(4, 6).T)
    _equal(checkpoint["step"], base[3::5])
    _equal(checkpoint["scalar"], np.array(2.5, np.float32))
    _equal(checkpoint["empty"], np.zeros((0, 3), np.float32))
    assert checkpoint["transposed"].storage is checkpoint["step"].storage
    plain = {name: checkpoint[name] for name in ("epoch", "lr", "betas", "name", "nothing")}
    assert plain == {"epoch": 3, "lr": 0.125, "betas": (0.5, 0.25), "name": "häé", "nothing": None}


@pytest.mark.parametrize(("file", "kind"), [("zip.pth", "torch"), ("legacy.pth", "torch legacy")])
def test_checkpoints_of_torch_save(file, kind, tmp_path):
    checkpoint = read(FIXTURES / file)
    assert checkpoint.format == kind
    _check(checkpoint)
    write(tmp_path / "again.pth", checkpoint)
    _check(read(tmp_path / "again.pth"))


def test_whole_module():
    checkpoint = read(FIXTURES / "module.pth")
    names = ["0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"]
    assert list(checkpoint) == names
    _equal(checkpoint["0.weight"], np.arange(18, dtype=np.float32).reshape(2, 1, 3, 3))
    _equal(checkpoint["1.num_batches_tracked"], np.array(0))


def test_safetensors(tmp_path):
    checkpoint = read(FIXTURES / "floats.safetensors")
    assert checkpoint.metadata == {"made": "with safetensors"}
    for name in FLOATS:
        _equal(checkpoint[name], (np.arange(6, dtype=np.float32).reshape(2, 3) / 4).astype(_dtype(name)))
    write(tmp_path / "again.safetensors", checkpoint)
    again = read(tmp_path / "again.safetensors")
    for name in FLOATS:
        _equal(again[name], checkpoint[name].numpy())
