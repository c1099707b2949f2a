"""All rules. The layer's type selects one, never an array's rank or size."""

from typing import Any

from . import (
    activation,
    attention,
    convolution,
    dropout,
    flax_composed,
    flax_layers,
    linear,
    normalization,
    padding,
    pooling,
    recurrent,
    resizing,
    shuffling,
)
from .rule import FlaxRule, Rule

_RULES = (
    *convolution.RULES,
    *normalization.RULES,
    *activation.RULES,
    *dropout.RULES,
    *linear.RULES,
    *recurrent.RULES,
    *attention.RULES,
    *padding.RULES,
    *pooling.RULES,
    *resizing.RULES,
    *shuffling.RULES,
)

#: Rules by layer of dilax.nn.
RULES: dict[type[Any], Rule] = {rule.flax_type: rule for rule in _RULES}

#: Rules by the name of the PyTorch layer in ``torch.nn``.
TORCH_RULES: dict[str, Rule] = {name: rule for rule in _RULES for name in rule.torch_types}

#: Rules of Flax's own layers.
FLAX_RULES: dict[type[Any], FlaxRule] = {
    kind: rule for rule in (*flax_layers.RULES, *flax_composed.RULES) for kind in rule.flax_types
}
