"""PyTorch's names of dtypes, and NumPy's dtypes for them."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from .faults import Malformed, Unsupported

if TYPE_CHECKING:
    import numpy as np

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
_ML_DTYPES = {
    "bfloat16": "V2",
    "float8_e4m3fn": "V1",
    "float8_e4m3fnuz": "V1",
    "float8_e5m2": "V1",
    "float8_e5m2fnuz": "V1",
    "float8_e8m0fnu": "V1",
}
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


@dataclass(frozen=True)
class NumberKind:
    """How a number is stored: what an index needs to know, without NumPy, whose import takes longer than to read one.

    Attributes:
        name: PyTorch's and NumPy's name of it, e.g. ``"bfloat16"``.
        letter: NumPy's letter for such dtypes.
        itemsize: Bytes.
    """

    name: str
    letter: str
    itemsize: int

    @property
    def dtype(self) -> "np.dtype[Any]":
        """NumPy's dtype, of ml_dtypes where NumPy has none."""
        return numpy_dtype(self.name)


@cache
def number_kind(torch_name: str) -> NumberKind:
    """How PyTorch's ``torch_name`` is stored, e.g. ``"bfloat16"``."""
    code = (_NUMPY | _ML_DTYPES).get(torch_name)
    if code is None:
        raise Unsupported(f"holds a tensor of dtype {torch_name}, which NumPy cannot hold")
    return NumberKind(torch_name, *("b", 1) if code == "?" else (code[0], int(code[1:])))


@cache
def numpy_dtype(torch_name: str) -> "np.dtype[Any]":
    """NumPy's dtype, of ml_dtypes where NumPy has none, for PyTorch's ``torch_name``, e.g. ``"bfloat16"``."""
    import numpy as np

    if number_kind(torch_name).letter != "V":
        return np.dtype(_NUMPY[torch_name])
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, torch_name))


def storage_kind(storage_class: str) -> NumberKind:
    """The numbers of a storage class, e.g. ``"FloatStorage"``."""
    if storage_class in _QUANTISED_STORAGES:
        raise Unsupported(f"holds a quantised tensor ({storage_class})")
    if storage_class not in _STORAGES:
        raise Malformed(f"names the unknown storage class {storage_class!r}")
    return number_kind(_STORAGES[storage_class])


@cache
def torch_name(dtype: "np.dtype[Any]") -> str | None:
    """PyTorch's name for ``dtype``, or None where PyTorch has none."""
    native = dtype.newbyteorder("=")
    for name in WRITABLE:
        if numpy_dtype(name) == native:
            return name
    return None


def storage_class(name: str) -> str:
    """The class that PyTorch uses for a storage of dtype ``name``; the untyped one for newer dtypes."""
    return next((cls for cls, dtype in _STORAGES.items() if dtype == name), "UntypedStorage")
