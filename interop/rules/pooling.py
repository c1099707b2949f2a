"""Pooling layers."""

from collections.abc import Callable
from typing import Any

import dilax.nn

from .rule import Rule


def _over_axes(size: str, *others: str) -> Callable[[Any], dict[str, Any]]:
    """Options of which ``size`` becomes a tuple: the type's name says how many axes there are."""

    def options(layer: Any) -> dict[str, Any]:
        axes = int(type(layer).__name__[-2])
        value = getattr(layer, size)
        found = {size: tuple(value) if isinstance(value, tuple | list) else (value,) * axes}
        # Some layers of one axis do not have all the arguments of the others.
        return found | {name: getattr(layer, name) for name in others if hasattr(layer, name)}

    return options


def _numbered(name: str) -> tuple[str, ...]:
    return tuple(f"{name}{axes}d" for axes in (1, 2, 3))


RULES = (
    Rule(
        _numbered("MaxPool"),
        dilax.nn.MaxPool,
        _over_axes("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode"),
        channels=True,
    ),
    Rule(_numbered("MaxUnpool"), dilax.nn.MaxUnpool, _over_axes("kernel_size", "stride", "padding"), channels=True),
    Rule(
        _numbered("AvgPool"),
        dilax.nn.AvgPool,
        _over_axes("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
        channels=True,
    ),
    Rule(
        _numbered("LPPool"),
        dilax.nn.LPPool,
        _over_axes("kernel_size", "norm_type", "stride", "ceil_mode"),
        channels=True,
    ),
    Rule(_numbered("AdaptiveAvgPool"), dilax.nn.AdaptiveAvgPool, _over_axes("output_size"), channels=True),
    Rule(
        _numbered("AdaptiveMaxPool"),
        dilax.nn.AdaptiveMaxPool,
        _over_axes("output_size", "return_indices"),
        channels=True,
    ),
)
