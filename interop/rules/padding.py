"""Padding layers."""

from typing import Any

import dilax.nn
from dilax.errors import ArgumentError

from .rule import Rule


def _padding(layer: Any) -> dict[str, Any]:
    """PyTorch lists the ends flat, from the last axis on; as pairs from the first axis on."""
    flat, axes = layer.padding, int(type(layer).__name__[-2])
    if len(flat) % 2 or len(flat) > 2 * axes:
        raise ArgumentError(
            "from_torch", "padding", flat, f"of {type(layer).__name__} is for other axes than its {axes} of space",
            f"make the layer with {2 * axes} numbers",
        )  # fmt: skip
    return {"padding": tuple(zip(flat[-2::-2], flat[::-2], strict=True))}


def _constant_padding(layer: Any) -> dict[str, Any]:
    return _padding(layer) | {"value": layer.value}


RULES = (
    Rule(("ConstantPad1d", "ConstantPad2d", "ConstantPad3d"), dilax.nn.ConstantPad, _constant_padding, channels=True),
    Rule(("ZeroPad1d", "ZeroPad2d", "ZeroPad3d"), dilax.nn.ZeroPad, _padding, channels=True),
    Rule(("ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d"), dilax.nn.ReflectionPad, _padding, channels=True),
    Rule(
        ("ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d"), dilax.nn.ReplicationPad, _padding, channels=True
    ),
    Rule(("CircularPad1d", "CircularPad2d", "CircularPad3d"), dilax.nn.CircularPad, _padding, channels=True),
)
