"""Attention and transformers."""

from typing import Any

import dilax.nn
from dilax.errors import ArgumentError

from .rule import Rule, take


def _attention_options(layer: Any) -> dict[str, Any]:
    shared = take("embed_dim", "num_heads", "dropout", "add_zero_attn", "kdim", "vdim", "batch_first")(layer)
    return shared | {"bias": layer.in_proj_bias is not None, "add_bias_kv": layer.bias_k is not None}


def _layer_options(layer: Any) -> dict[str, Any]:
    name = getattr(layer.activation, "__name__", type(layer.activation).__name__.lower())
    exact = getattr(layer.activation, "approximate", "none") == "none"
    if name not in ("relu", "gelu") or not exact:
        raise ArgumentError(
            "from_torch", "activation", layer.activation, f"of {type(layer).__name__} has no equal in Flax",
            "make the Flax layer with a function of your own and fill it with interop.load",
        )  # fmt: skip
    return {
        "d_model": layer.linear1.in_features,
        "nhead": layer.self_attn.num_heads,
        "dim_feedforward": layer.linear1.out_features,
        "dropout": layer.dropout.p,
        "activation": name,
        "layer_norm_eps": layer.norm1.eps,
        "batch_first": layer.self_attn.batch_first,
        "norm_first": layer.norm_first,
        "bias": layer.linear1.bias is not None,
    }


RULES = (
    Rule(("MultiheadAttention",), dilax.nn.MultiheadAttention, _attention_options, same_names=True),
    Rule(("TransformerEncoderLayer",), dilax.nn.TransformerEncoderLayer, _layer_options),
    Rule(("TransformerDecoderLayer",), dilax.nn.TransformerDecoderLayer, _layer_options),
    Rule(("TransformerEncoder",), dilax.nn.TransformerEncoder, take(), children=("layers", "norm")),
    Rule(("TransformerDecoder",), dilax.nn.TransformerDecoder, take(), children=("layers", "norm")),
    Rule(("Transformer",), dilax.nn.Transformer, take(), children=("encoder", "decoder")),
)
