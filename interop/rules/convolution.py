"""Convolutions."""

from typing import Any

import dilax.nn

from .layout import ChannelsLast
from .rule import ArrayRule, Rule, take

_SHARED = take("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")


def _conv_options(layer: Any) -> dict[str, Any]:
    return _SHARED(layer) | {"bias": layer.bias is not None}


RULES = (
    Rule(
        ("Conv1d", "Conv2d", "Conv3d"),
        dilax.nn.Conv,
        _conv_options,
        (ArrayRule("weight", "kernel", ChannelsLast()), ArrayRule("bias", "bias")),
        channels=True,
    ),
)
