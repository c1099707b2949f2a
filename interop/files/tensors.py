"""Tensors of a file that are not read until somebody asks for their numbers."""

import mmap
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from .dtypes import NumberKind
from .faults import Fault, Malformed, named

if TYPE_CHECKING:
    import numpy as np  # elsewhere on first use: to import it takes longer than to read an index
    from numpy.typing import NDArray


class Storage:
    """A run of bytes in a file, which one tensor or several look at.

    Args:
        data: The bytes, usually a view of a memory map.
        key: The storage's name in the file.
        item_bytes: Bytes of one number, which a file from a machine of the other byte order needs turned.
        swap: Whether the file's byte order is not this machine's.
        crc32: Checksum of the bytes, compared when they are first used, or None.
        fail: Makes the error to raise when the checksum differs.
    """

    def __init__(
        self,
        data: memoryview,
        key: str,
        *,
        crc32: int | None = None,
        swap: bool = False,
        fail: Callable[[Fault], Exception] = lambda fault: fault,
    ) -> None:
        self.key = key
        self.nbytes = data.nbytes
        self.swap = swap
        self._data = data
        self._crc32 = crc32
        self._fail = fail

    def bytes(self) -> memoryview:
        """The bytes as they are in the file; the first call compares the checksum, if there is one."""
        if self._crc32 is not None:
            if zlib.crc32(self._data) != self._crc32:
                raise self._fail(Malformed(f"is damaged: the checksum of the array data in {named(self.key)} differs"))
            self._crc32 = None
        return self._data

    def release(self) -> None:
        """Let go of the file's pages that were read into memory; they are read again when somebody needs them."""
        whole = self._data.obj
        if isinstance(whole, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") and self.nbytes:
            begin = _address(self._data) - _address(memoryview(whole))
            first = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE
            length = begin + self.nbytes - first
            if length > 0:
                whole.madvise(mmap.MADV_DONTNEED, first, length)

    def __repr__(self) -> str:
        return f"Storage({self.key!r}, {self.nbytes} bytes)"


# Above all counts that a file can mean.
_COUNTS = 2**62


def _address(data: memoryview) -> int:
    import numpy as np

    return int(np.frombuffer(data, np.uint8).ctypes.data)


def _is_view(array: Any, numbers: "NDArray[Any]") -> bool:
    """Whether a JAX array looks at the same memory as ``numbers``."""
    if next(iter(array.devices())).platform != "cpu":
        return False
    return bool(array.unsafe_buffer_pointer() == numbers.ctypes.data)


@dataclass(frozen=True, eq=False, repr=False)
class LazyTensor:
    """A tensor in a file.

    Attributes:
        storage: The bytes; two tensors that share memory share it.
        shape: Numbers along each axis.
        kind: How a number is stored.
        strides: Numbers, not bytes, from one index to the next along each axis.
        offset: Numbers before the first one.
        requires_grad: As the file says; nothing here computes gradients.
        conjugate: The numbers are the complex conjugates of those stored.
        negative: The numbers are the negatives of those stored.
    """

    storage: Storage
    shape: tuple[int, ...]
    kind: NumberKind
    strides: tuple[int, ...]
    offset: int = 0
    requires_grad: bool = False
    conjugate: bool = False
    negative: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) > 32:
            raise Malformed(f"holds a tensor of {len(self.shape)} axes")
        if len(self.shape) != len(self.strides):
            raise Malformed(f"holds a tensor of {len(self.shape)} axes with {len(self.strides)} strides")
        for count in (*self.shape, *self.strides, self.offset):
            if type(count) is not int or not 0 <= count < _COUNTS:
                raise Malformed("holds a tensor with a shape, stride or offset that is no count")
        if (self.conjugate and self.kind.letter != "c") or (self.negative and self.kind.letter not in "fc"):
            raise Malformed(f"marks a tensor of dtype {self.kind.name} as conjugate or negative")
        size, item = prod(self.shape), self.kind.itemsize
        if size * item >= _COUNTS:
            raise Malformed(f"holds a tensor of the impossible shape {self.shape}")
        if size and self._end * item > self.storage.nbytes:
            raise Malformed(
                f"holds a tensor that ends {self._end * item:,} bytes into a storage "
                f"of {self.storage.nbytes:,} ({named(self.storage.key)})"
            )

    @property
    def _end(self) -> int:
        return self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)) + 1

    def __repr__(self) -> str:
        return f"LazyTensor(shape={self.shape}, dtype={self.dtype!r})"

    @property
    def dtype(self) -> "np.dtype[Any]":
        """NumPy's dtype, of ml_dtypes for bfloat16 and the float8 kinds."""
        return self.kind.dtype

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return prod(self.shape)

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers, were they stored side by side."""
        return self.size * self.kind.itemsize

    def numpy(self) -> "NDArray[Any]":
        """The numbers: a read-only view of the file where its bytes can be used as they are, else a copy.

        Raises:
            CorruptCheckpoint: The checksum that the file keeps differs.
        """
        import numpy as np

        dtype, item = self.dtype, self.kind.itemsize
        if not self.size:
            return np.empty(self.shape, dtype)
        stored = self.storage.bytes()[self.offset * item : self._end * item]
        flat = np.frombuffer(stored, np.uint8)
        if self.storage.swap:
            part = item // 2 if self.kind.letter == "c" else item
            flat = np.ascontiguousarray(flat.reshape(-1, part)[:, ::-1]).reshape(-1)
        if flat.ctypes.data % dtype.alignment:
            flat = flat.copy()
        array: NDArray[Any] = np.ndarray(self.shape, dtype, flat, strides=[step * item for step in self.strides])
        array.flags.writeable = False
        if self.conjugate:
            array = np.asarray(array.conj())  # of an array without axes NumPy makes a number
        return np.asarray(-array) if self.negative else array

    def __jax_array__(self) -> Any:
        """A JAX array of the numbers; on a CPU a view of the file too where its bytes can be used as they are."""
        import jax

        from dilax.memory import ALIGNMENT

        from .copying import aligned_copy

        numbers = self.numpy()
        if jax.default_backend() == "cpu" and numbers.ctypes.data % ALIGNMENT and numbers.flags.c_contiguous:
            array = jax.device_put(aligned_copy(numbers))  # XLA would copy it too, with one thread
        else:
            array = jax.device_put(numbers)
        if self.size and not _is_view(array, numbers):
            array.block_until_ready()
            self.storage.release()  # else the file's pages and the copy would both be in memory
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> "NDArray[Any]":
        import numpy as np

        from .copying import aligned_copy

        array = self.numpy()
        if dtype is not None and array.dtype != np.dtype(dtype):
            return array.astype(dtype)
        if not copy:
            return array
        return aligned_copy(array) if array.flags.c_contiguous else array.copy()
