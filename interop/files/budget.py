"""What reading one file has cost so far. A few bytes can ask for much: by repeating, by sharing, by colliding."""

from pathlib import PurePath
from typing import Any

from .faults import Exceeded, Malformed
from .limits import Limits
from .tensors import LazyTensor
from .values import Device, DType, Global, PickledObject

# By their letters or, the last two, by their place in memory.
_RANDOMLY_HASHED = (str, bytes, Global, DType, Device, PurePath, bool, type(None), LazyTensor, PickledObject)
# Containers of this depth below a call's arguments are what a builder looks through.
_DEPTH = 3
# What an element of a call's argument counts for: builders look at each several times.
_ARGUMENT = 8
_SIZED = (str, bytes, tuple, list, dict)


class Budget:
    """Counts what a file asks for, and stops it at the limits.

    Args:
        limits: The limits.
        file_bytes: Size of the file.
    """

    def __init__(self, limits: Limits, file_bytes: int) -> None:
        self.limits = limits
        #: Values that may still come; the machine counts it down by itself, which is faster.
        self.objects = limits.objects
        self._text_bytes = limits.pickle_bytes
        self._number_keys = limits.number_keys
        self._tensor_bytes = file_bytes + limits.repeated_bytes

    def values(self, count: int) -> None:
        """``count`` more values."""
        self.objects -= count
        if self.objects < 0:
            raise Exceeded(f"holds a pickle of more than {self.limits.objects:,} values")

    def arguments(self, values: Any, depth: int = 0) -> None:
        """What a builder is going to look through: a pickle may hand one long list or text to it again and again."""
        self.values(_ARGUMENT * len(values))
        for value in values:
            if not isinstance(value, _SIZED):
                continue
            if isinstance(value, str | bytes):
                self._text_bytes -= len(value)
            elif isinstance(value, tuple) and depth < _DEPTH:
                self.arguments(value, depth + 1)
            else:
                self.values(_ARGUMENT * len(value))
        if self._text_bytes < 0:
            raise Exceeded(f"turns more than {self.limits.pickle_bytes:,} bytes of text into values")

    def key(self, key: Any) -> Any:
        """``key``, if it can be one and its hash is cheap and random.

        A file could choose numbers whose hashes are equal, and then n keys take n² steps. Hashing a nested tuple
        recurses in C without a check, so a deep one would end the process.
        """
        if isinstance(key, tuple):
            self.values(len(key))
        for atom in key if isinstance(key, tuple) else (key,):
            if isinstance(atom, _RANDOMLY_HASHED) or (atom is key and type(atom) is int and abs(atom) < 2**32):
                continue
            if type(atom) not in (int, float):
                raise Malformed(f"uses a value of type {type(key).__name__} as a key")
            self._number_keys -= 1
            if self._number_keys < 0:
                raise Exceeded(f"holds more than {self.limits.number_keys:,} keys of large numbers")
        return key

    def tensor(self, tensor: LazyTensor) -> None:
        """One more tensor: together they may not be much larger than the file, whatever they share or repeat."""
        self._tensor_bytes -= tensor.nbytes
        if self._tensor_bytes < 0:
            raise Exceeded(f"holds tensors that exceed the file by more than {self.limits.repeated_bytes:,} bytes")
