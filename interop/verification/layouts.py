"""Where PyTorch has the channels of an array, and the same array with channels last."""

from typing import Any

import numpy as np

from ..reparametrizing import layer_type
from ..rules import TORCH_RULES, Rule

Array = np.ndarray[Any, np.dtype[Any]]

# Where the layers live that rules name; a class of the same name elsewhere is another layer.
_HOMES = ("torch.nn.", "torchvision.ops.misc")


def torch_rule(module: Any) -> tuple[str, Rule] | None:
    """The rule of a PyTorch layer, or of the layer that its class is made from, with that layer's name."""
    for kind in layer_type(module).__mro__:
        if kind.__module__.startswith(_HOMES) and kind.__name__ in TORCH_RULES:
            return kind.__name__, TORCH_RULES[kind.__name__]
    return None


def channel_axis(kind: str, ndim: int) -> int:
    """Where a PyTorch layer with channels has them, in an array of ``ndim`` axes, with or without a batch."""
    if kind in ("PixelShuffle", "PixelUnshuffle"):
        return max(ndim - 3, 0)
    if not kind[-2].isdigit() or "BatchNorm" in kind:
        return min(1, ndim - 1)
    return max(ndim - 1 - int(kind[-2]), 0)


def channels_last(array: Array, axis: int | None) -> Array:
    """The array with the axis of its channels moved to the end; as it is if that is None."""
    return array if axis is None else np.moveaxis(array, axis, -1)


def channels_back(array: Array, axis: int | None) -> Array:
    """The inverse of :func:`channels_last`."""
    return array if axis is None else np.moveaxis(array, -1, axis)


def choose_axis(array: Array, ours: Array, rule: tuple[str, Rule] | None, known: int | str | None) -> int | None:
    """Which axis of PyTorch's array holds the channels that Flax has last, or None where both have the same axes.

    A layer's rule decides where it says anything and the shapes allow it; then the shapes, where one way alone fits;
    then ``known``, what is so for another name of the same array; then which way agrees better.

    Args:
        array: PyTorch's array.
        ours: The Flax array.
        rule: The PyTorch layer's rule, if it has one.
        known: An axis, or None, known of this very array; ``"unknown"`` if nothing is.
    """
    ways: list[int | None] = [None, 1] if array.ndim >= 3 else [None]
    if rule is not None and rule[1].channels and array.ndim >= 2:
        by_rule = channel_axis(rule[0], array.ndim)
        if channels_last(array, by_rule).shape == ours.shape:
            return by_rule
        ways = [by_rule, None]
    fitting = [way for way in ways if channels_last(array, way).shape == ours.shape]
    if len(fitting) == 1:
        return fitting[0]
    if not isinstance(known, str) and (known in fitting or not fitting):
        return known
    if not fitting:
        return ways[0] if rule is not None else None
    return min(fitting, key=lambda way: _distance(channels_last(array, way), ours))


def _distance(one: Array, other: Array) -> float:
    """The largest difference, where both are finite."""
    with np.errstate(invalid="ignore"):
        delta = np.abs(np.subtract(one, other, dtype=np.result_type(one, other, np.float64)))
    return float(np.nan_to_num(delta, nan=0.0).max(initial=0.0))
