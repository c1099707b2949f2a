"""PyTorch's names of dtypes, and NumPy's dtypes for them."""

from functools import cache
from typing import Any

import numpy as np

from .faults import Malformed, Unsupported

_NUMPY = {
    "bool": "?",
    "uint8": "u1",
    "int8": "i1",
    "int16": "i2",
    "int32": "i4",
    "int64": "i8",
    "uint16": "u2",
    "uint32": "u4",
    "uint64": "u8",
    "float16": "f2",
    "float32": "f4",
    "float64": "f8",
    "complex64": "c8",
    "complex128": "c16",
}
_ML_DTYPES = (
    "bfloat16",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
)
# A typed storage's class; an untyped one counts bytes.
_STORAGES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_NO_NUMPY = (
    "complex32", "float4_e2m1fn_x2", "qint8", "quint8", "qint32", "quint4x2", "quint2x4",
    "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16",
)  # fmt: skip
_QUANTISED_STORAGES = ("QInt8Storage", "QUInt8Storage", "QInt32Storage", "QUInt4x2Storage", "QUInt2x4Storage")

TORCH_NAMES = (*_NUMPY, *_ML_DTYPES, *_NO_NUMPY, *(f"{kind}{bits}" for kind in ("int", "uint") for bits in range(1, 8)))
# Those that a file of ours can hold.
WRITABLE = (*_NUMPY, *_ML_DTYPES)
STORAGE_NAMES = (*_STORAGES, *_QUANTISED_STORAGES)


@cache
def numpy_dtype(torch_name: str) -> np.dtype[Any]:
    """NumPy's dtype, of ml_dtypes where NumPy has none, for PyTorch's ``torch_name``, e.g. ``"bfloat16"``."""
    if torch_name in _NUMPY:
        return np.dtype(_NUMPY[torch_name])
    if torch_name in _ML_DTYPES:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, torch_name))
    raise Unsupported(f"holds a tensor of dtype {torch_name}, which NumPy cannot hold")


def storage_dtype(storage_class: str) -> np.dtype[Any]:
    """The dtype of a storage class, e.g. ``"FloatStorage"``."""
    if storage_class in _QUANTISED_STORAGES:
        raise Unsupported(f"holds a quantised tensor ({storage_class})")
    if storage_class not in _STORAGES:
        raise Malformed(f"names the unknown storage class {storage_class!r}")
    return numpy_dtype(_STORAGES[storage_class])


@cache
def torch_name(dtype: np.dtype[Any]) -> str | None:
    """PyTorch's name for ``dtype``, or None where PyTorch has none."""
    native = dtype.newbyteorder("=")
    for name in WRITABLE:
        if numpy_dtype(name) == native:
            return name
    return None


def storage_class(name: str) -> str:
    """The class that PyTorch uses for a storage of dtype ``name``; the untyped one for newer dtypes."""
    return next((cls for cls, dtype in _STORAGES.items() if dtype == name), "UntypedStorage")
