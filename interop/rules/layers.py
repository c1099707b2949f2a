"""One rule for each kind of layer. The layer's type selects it, never an array's rank or size."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flax import nnx

import dilax.nn

from .layout import ChannelsLast, Layout, Same


@dataclass(frozen=True)
class ArrayRule:
    """One array of a layer.

    Attributes:
        torch_name: Name in PyTorch, the last part of its key.
        flax_name: Name of the Flax attribute.
        layout: How the numbers are arranged.
        torch_dtype: Dtype in PyTorch where it is not the Flax array's own.
    """

    torch_name: str
    flax_name: str
    layout: Layout = field(default_factory=Same)
    torch_dtype: np.dtype[Any] | None = None


@dataclass(frozen=True)
class Rule:
    """One kind of layer.

    Attributes:
        torch_types: Names of the PyTorch layers, in ``torch.nn``.
        flax_type: The Flax layer.
        arrays: Its arrays, in the order of PyTorch's state_dict; one that a layer has as None is left out.
    """

    torch_types: tuple[str, ...]
    flax_type: type[nnx.Module]
    arrays: tuple[ArrayRule, ...]


_RULES = (
    Rule(
        ("Conv1d", "Conv2d", "Conv3d"),
        dilax.nn.Conv,
        (ArrayRule("weight", "kernel", ChannelsLast()), ArrayRule("bias", "bias")),
    ),
    Rule(
        ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        dilax.nn.BatchNorm,
        (
            ArrayRule("weight", "scale"),
            ArrayRule("bias", "bias"),
            ArrayRule("running_mean", "mean"),
            ArrayRule("running_var", "var"),
            ArrayRule("num_batches_tracked", "num_batches_tracked", torch_dtype=np.dtype(np.int64)),
        ),
    ),
)

#: Rules by Flax layer.
RULES: dict[type[Any], Rule] = {rule.flax_type: rule for rule in _RULES}
