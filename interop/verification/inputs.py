"""The inputs of a comparison: as the Flax model takes them, as PyTorch takes them, and slightly changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dilax.errors import ArgumentError

from ..arrays import to_numpy
from .layouts import Array, channels_back

# Relative size of the changes: far above rounding, so that all roundings are drawn anew, and far below what matters.
_CHANGE = 1e-3


@dataclass(frozen=True)
class Inputs:
    """What a model is called with.

    Attributes:
        arrays: Channels last.
        channels: Whether each has channels, which PyTorch has on axis 1.
    """

    arrays: tuple[Array, ...]
    channels: tuple[bool, ...]

    @property
    def movable(self) -> tuple[int, ...]:
        """Which are floating, so that they have a gradient."""
        return tuple(index for index, array in enumerate(self.arrays) if array.dtype.kind == "f")

    def axis(self, index: int) -> int | None:
        """Where PyTorch has the channels of an input, if it has any."""
        return 1 if self.channels[index] else None

    def for_torch(self, dtype: Any) -> list[Array]:
        """The arrays in PyTorch's layout, floating ones in ``dtype``, whole numbers as int64."""
        found = []
        for index, array in enumerate(self.arrays):
            kind = dtype if array.dtype.kind == "f" else np.int64 if array.dtype.kind in "iu" else array.dtype
            found.append(np.ascontiguousarray(channels_back(array, self.axis(index)), dtype=kind))
        return found

    def for_flax(self, dtype: Any) -> list[Array]:
        """The arrays, floating ones in ``dtype``."""
        return [array.astype(dtype) if array.dtype.kind == "f" else array for array in self.arrays]

    def draw(self, seed: int) -> "Inputs":
        """The inputs with each floating number changed by a random thousandth; seed 0 leaves them."""
        if seed == 0:
            return self
        rng = np.random.default_rng(seed)
        changed = tuple(
            array * (1 + _CHANGE * rng.uniform(-1, 1, array.shape)) if array.dtype.kind == "f" else array
            for array in self.arrays
        )
        return Inputs(changed, self.channels)


def prepare(inputs: Any, channels: bool | Sequence[bool] | None) -> Inputs:
    """Inputs from what :func:`interop.verify` is given.

    Raises:
        ArgumentError: There is no input, or ``channels`` has another number of entries.
    """
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    if not given:
        raise ArgumentError("verify", "inputs", inputs, "is empty", "pass one array or a tuple of them")
    arrays = tuple(_array(one) for one in given)
    if channels is None:
        return Inputs(arrays, tuple(array.dtype.kind == "f" and array.ndim >= 3 for array in arrays))
    flags = (channels,) * len(arrays) if isinstance(channels, bool) else tuple(channels)
    if len(flags) != len(arrays):
        raise ArgumentError(
            "verify", "channels", channels, f"does not say it for each of {len(arrays)} inputs",
            "pass True, False, or one of them for each input",
        )  # fmt: skip
    return Inputs(arrays, tuple(flag and array.ndim >= 2 for flag, array in zip(flags, arrays, strict=True)))


def _array(value: Any) -> Array:
    array = to_numpy(value)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(
            "verify", "inputs", type(value).__name__, "is no array of numbers",
            "pass NumPy or JAX arrays as the Flax model takes them, channels last",
        )  # fmt: skip
    return array.astype(np.float64) if array.dtype.kind == "f" else array
