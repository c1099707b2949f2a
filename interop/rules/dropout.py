"""Dropouts. None has arrays; the state of their random numbers has no counterpart in PyTorch."""

import dilax.nn

from .rule import Rule, take

RULES = (
    Rule(("Dropout",), dilax.nn.Dropout, take("p")),
    Rule(("Dropout1d", "Dropout2d", "Dropout3d"), dilax.nn.FeatureDropout, take("p"), channels=True),
    Rule(("AlphaDropout",), dilax.nn.AlphaDropout, take("p")),
    Rule(("FeatureAlphaDropout",), dilax.nn.FeatureAlphaDropout, take("p"), channels=True),
)
