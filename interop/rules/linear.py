"""Linear maps, tables, and layers that only rearrange or compare."""

from typing import Any

import dilax.nn

from .layout import ChannelsLast, OutputsLast
from .refusal import refuse
from .rule import ArrayRule, Rule, take


def _has_bias(layer: Any) -> dict[str, Any]:
    return {"bias": layer.bias is not None}


def _embedding_options(layer: Any) -> dict[str, Any]:
    refuse(layer, max_norm=None, scale_grad_by_freq=False, sparse=False)
    return take("num_embeddings", "embedding_dim", "padding_idx")(layer)


def _unflatten_options(layer: Any) -> dict[str, Any]:
    return {"dim": layer.dim, "unflattened_size": tuple(layer.unflattened_size)}


RULES = (
    Rule(("Identity",), dilax.nn.Identity, take()),
    Rule(
        ("Linear",),
        dilax.nn.Linear,
        lambda layer: take("in_features", "out_features")(layer) | _has_bias(layer),
        (ArrayRule("weight", "kernel", ChannelsLast()), ArrayRule("bias", "bias")),
    ),
    Rule(
        ("Bilinear",),
        dilax.nn.Bilinear,
        lambda layer: take("in1_features", "in2_features", "out_features")(layer) | _has_bias(layer),
        (ArrayRule("weight", "kernel", OutputsLast()), ArrayRule("bias", "bias")),
    ),
    Rule(("Embedding",), dilax.nn.Embedding, _embedding_options, (ArrayRule("weight", "embedding"),)),
    Rule(("Flatten",), dilax.nn.Flatten, take("start_dim", "end_dim"), channels=True),
    Rule(("Unflatten",), dilax.nn.Unflatten, _unflatten_options, channels=True),
    Rule(("CosineSimilarity",), dilax.nn.CosineSimilarity, take("dim", "eps")),
    Rule(
        ("PairwiseDistance",),
        dilax.nn.PairwiseDistance,
        lambda layer: {
            "p": layer.norm,
            "eps": layer.eps,
            "keepdim": layer.keepdim,
        },
    ),
)
