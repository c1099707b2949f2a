"""Normalisations."""

from typing import Any

import numpy as np

import dilax.nn

from .rule import ArrayRule, Rule, take

_AFFINE = (ArrayRule("weight", "scale"), ArrayRule("bias", "bias"))
_RUNNING = (ArrayRule("running_mean", "mean"), ArrayRule("running_var", "var"))
_COUNT = ArrayRule("num_batches_tracked", "num_batches_tracked", torch_dtype=np.dtype(np.int64))
_STATISTICS = take("num_features", "eps", "momentum", "affine", "track_running_stats")


def _has_bias(layer: Any) -> dict[str, Any]:
    return {"bias": layer.bias is not None}


def _frozen_options(layer: Any) -> dict[str, Any]:
    return {"num_features": layer.weight.shape[0], "eps": layer.eps}


RULES = (
    Rule(
        ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"),
        dilax.nn.BatchNorm,
        lambda layer: _STATISTICS(layer) | _has_bias(layer),
        (*_AFFINE, *_RUNNING, _COUNT),
        channels=True,
    ),
    Rule(
        ("FrozenBatchNorm2d",),
        dilax.nn.FrozenBatchNorm,
        _frozen_options,
        (*_AFFINE, *_RUNNING),
        channels=True,
    ),
    Rule(
        ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
        dilax.nn.InstanceNorm,
        lambda layer: _STATISTICS(layer) | _has_bias(layer),
        (*_AFFINE, *_RUNNING, _COUNT),
        channels=True,
    ),
    Rule(
        ("GroupNorm",),
        dilax.nn.GroupNorm,
        lambda layer: take("num_groups", "num_channels", "eps", "affine")(layer) | _has_bias(layer),
        _AFFINE,
        channels=True,
    ),
    Rule(
        ("LayerNorm",),
        dilax.nn.LayerNorm,
        lambda layer: take("normalized_shape", "eps", "elementwise_affine")(layer) | _has_bias(layer),
        _AFFINE,
    ),
    Rule(("RMSNorm",), dilax.nn.RMSNorm, take("normalized_shape", "eps", "elementwise_affine"), _AFFINE[:1]),
    Rule(("LocalResponseNorm",), dilax.nn.LocalResponseNorm, take("size", "alpha", "beta", "k"), channels=True),
)
