"""Checks of arguments that many layers share."""

import math
from typing import Any

import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import is_integer, is_number


def positive(layer: str, **values: Any) -> None:
    """Raise an ArgumentError for the first of ``values`` that is no integer above 0."""
    for name, value in values.items():
        if not is_integer(value):
            raise ArgumentError(layer, name, value, "is no integer", "pass a positive integer")
        if value < 1:
            raise ArgumentError(layer, name, value, "is below 1", "pass a positive integer")


def axis(layer: str, **values: Any) -> None:
    """Raise an ArgumentError for the first of ``values`` that is no integer, of either sign."""
    for name, value in values.items():
        if not is_integer(value):
            raise ArgumentError(layer, name, value, "is no integer", "pass an axis, e.g. -1")


def number(layer: str, **values: Any) -> None:
    """Raise an ArgumentError for the first of ``values`` that is no real number; it may be infinite or NaN."""
    for name, value in values.items():
        if not is_number(value):
            raise ArgumentError(layer, name, value, "is no number", "pass a number")


def finite(layer: str, **values: Any) -> None:
    """Raise an ArgumentError for the first of ``values`` that is no finite real number."""
    number(layer, **values)
    for name, value in values.items():
        if not math.isfinite(value):
            raise ArgumentError(layer, name, value, "is not finite", "pass a finite number")


def not_negative(layer: str, **values: Any) -> None:
    """Raise an ArgumentError for the first of ``values`` that is not a number from 0 on."""
    number(layer, **values)
    for name, value in values.items():
        if not value >= 0:
            raise ArgumentError(layer, name, value, "is not at least 0", "pass at least 0")


def share(layer: str, name: str, value: Any) -> None:
    """Raise an ArgumentError if ``value`` is no number between 0 and 1."""
    number(layer, **{name: value})
    if not 0 <= value <= 1:
        raise ArgumentError(layer, name, value, "is outside [0, 1]", "pass a share, e.g. 0.1")


def stream(layer: str, rngs: Any, name: str) -> Any:
    """The stream of random numbers of that name.

    Raises:
        ArgumentError: ``rngs`` is no ``nnx.Rngs``, or has neither that stream nor a default one.
    """
    if not isinstance(rngs, nnx.Rngs):
        raise ArgumentError(layer, "rngs", rngs, "is no nnx.Rngs", "pass one, e.g. nnx.Rngs(0)")
    if not hasattr(rngs, name):
        raise ArgumentError(
            layer, "rngs", list(rngs), f"has neither a stream {name!r} nor a default one", "pass one, e.g. nnx.Rngs(0)"
        )
    return rngs[name]


def last_axis(layer: str, x: Any, size: int, meaning: str) -> None:
    """Raise an ArgumentError if the last axis of ``x`` does not have ``size`` entries."""
    if x.ndim < 1 or x.shape[-1] != size:
        raise ArgumentError(
            layer, "x", x.shape, f"does not end with {meaning}={size}",
            "pass an array whose last axis has that many entries",
        )  # fmt: skip


def channels_last(layer: str, x: Any, size: int, meaning: str) -> None:
    """Raise an ArgumentError if an array with channels does not have ``size`` of them, last."""
    if x.ndim > 2 and x.shape[1] == size != x.shape[-1]:
        raise ArgumentError(
            layer, "x", x.shape, f"has {meaning}={size} channels on axis 1 instead of last",
            "pass jnp.moveaxis(x, 1, -1)",
        )  # fmt: skip
    last_axis(layer, x, size, meaning)


def broadcast(layer: str, x1: tuple[int, ...], x2: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that arrays ``x1`` and ``x2`` of these shapes broadcast to.

    Raises:
        ArgumentError: They do not.
    """
    try:
        return jnp.broadcast_shapes(x1, x2)
    except ValueError:
        raise ArgumentError(layer, "x2", x2, f"does not broadcast with x1={x1}", "pass arrays of one shape") from None


def axis_of(layer: str, name: str, dim: int, ndim: int) -> int:
    """The axis ``dim``, counted from the front, of an array of ``ndim``.

    Raises:
        ArgumentError: There is no such axis.
    """
    if not -ndim <= dim < ndim:
        raise ArgumentError(layer, name, dim, f"is no axis of an array of {ndim}", "pass an axis that there is")
    return dim % ndim
