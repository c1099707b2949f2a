"""Convolutions."""

from typing import Any

import dilax.nn

from .layout import ChannelsLast, TransposedChannelsLast
from .rule import ArrayRule, Rule, take

_SHARED = take("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")


def _conv_options(layer: Any) -> dict[str, Any]:
    return _SHARED(layer) | {"padding_mode": layer.padding_mode, "bias": layer.bias is not None}


def _conv_transpose_options(layer: Any) -> dict[str, Any]:
    return _SHARED(layer) | {"output_padding": layer.output_padding, "bias": layer.bias is not None}


def _transposed(layer: Any) -> TransposedChannelsLast:
    return TransposedChannelsLast(layer.groups)


RULES = (
    Rule(
        ("Conv1d", "Conv2d", "Conv3d"),
        dilax.nn.Conv,
        _conv_options,
        (ArrayRule("weight", "kernel", ChannelsLast()), ArrayRule("bias", "bias")),
        channels=True,
    ),
    Rule(
        ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"),
        dilax.nn.ConvTranspose,
        _conv_transpose_options,
        (ArrayRule("weight", "kernel", layout_of=_transposed), ArrayRule("bias", "bias")),
        channels=True,
    ),
)
