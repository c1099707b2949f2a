"""Layers that only move numbers."""

import dilax.nn

from .rule import Rule, take

_PATCHES = ("kernel_size", "dilation", "padding", "stride")

RULES = (
    Rule(("PixelShuffle",), dilax.nn.PixelShuffle, take("upscale_factor"), channels=True),
    Rule(("PixelUnshuffle",), dilax.nn.PixelUnshuffle, take("downscale_factor"), channels=True),
    Rule(("ChannelShuffle",), dilax.nn.ChannelShuffle, take("groups"), channels=True),
    Rule(("Unfold",), dilax.nn.Unfold, take(*_PATCHES), channels=True),
    Rule(("Fold",), dilax.nn.Fold, take("output_size", *_PATCHES), channels=True),
)
