"""Activations."""

import dilax.nn

from .rule import Rule, take

RULES = (
    Rule(("ReLU",), dilax.nn.ReLU, take()),
    Rule(("ELU",), dilax.nn.ELU, take("alpha")),
)
