"""Normalisations."""

import numpy as np

import dilax.nn

from .rule import ArrayRule, Rule, take

RULES = (
    Rule(
        ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        dilax.nn.BatchNorm,
        take("num_features", "eps", "momentum"),
        (
            ArrayRule("weight", "scale"),
            ArrayRule("bias", "bias"),
            ArrayRule("running_mean", "mean"),
            ArrayRule("running_var", "var"),
            ArrayRule("num_batches_tracked", "num_batches_tracked", torch_dtype=np.dtype(np.int64)),
        ),
        channels=True,
    ),
)
