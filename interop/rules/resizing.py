"""Resizing."""

import dilax.nn

from .rule import Rule, take

RULES = (
    Rule(
        ("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"),
        dilax.nn.Upsample,
        take("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor"),
        channels=True,
    ),
)
