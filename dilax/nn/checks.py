"""Checks of arguments that many layers share."""

from typing import Any

from ..errors import ArgumentError


def positive(layer: str, **values: Any) -> None:
    """Raise an ArgumentError for the first of ``values`` that is no integer above 0."""
    for name, value in values.items():
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ArgumentError(layer, name, value, "is no integer", "pass a positive integer")
        if value < 1:
            raise ArgumentError(layer, name, value, "is below 1", "pass a positive integer")


def share(layer: str, name: str, value: float) -> None:
    """Raise an ArgumentError if ``value`` is not between 0 and 1."""
    if not 0 <= value <= 1:
        raise ArgumentError(layer, name, value, "is outside [0, 1]", "pass a share, e.g. 0.1")


def last_axis(layer: str, x: Any, size: int, meaning: str) -> None:
    """Raise an ArgumentError if the last axis of ``x`` does not have ``size`` entries."""
    if x.ndim < 1 or x.shape[-1] != size:
        raise ArgumentError(
            layer, "x", x.shape, f"does not end with {meaning}={size}",
            "pass an array whose last axis has that many entries",
        )  # fmt: skip
