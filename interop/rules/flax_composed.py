"""Layers that Flax makes of others, of ``flax.nnx`` and ``flax.linen``: recurrent cells and attention."""

from typing import Any

from flax import linen, nnx

from .flax_layers import flat, merged
from .join import Biases, FusedGruBiases, Join, One, Stacked
from .layout import ChannelsLast
from .rule import ArrayRule, FlaxRule, JoinRule, ShapeOf


def _cell(
    inputs: tuple[str, ...], hidden: tuple[str, ...], biases: tuple[str, ...], join: Join
) -> tuple[JoinRule, ...]:
    """Rules of a cell from the names of its layers: of the input, of the hidden state, and those that have a bias."""
    kernels = One(ChannelsLast()) if len(inputs) == 1 else Stacked(ChannelsLast(), len(inputs))
    return (
        JoinRule(("weight_ih",), tuple(f"{name}.kernel" for name in inputs), kernels),
        JoinRule(("weight_hh",), tuple(f"{name}.kernel" for name in hidden), kernels),
        JoinRule(("bias_ih", "bias_hh"), tuple(f"{name}.bias" for name in biases), join),
    )


_FUSED = (("dense_i",), ("dense_h",))
_LSTM_HIDDEN = ("hi", "hf", "hg", "ho")


def _unequal(layer: Any, shape: ShapeOf) -> str | None:
    query, key, out = (shape(f"{name}.kernel") for name in ("query", "key", "out"))
    if layer.normalize_qk:
        return "normalizes queries and keys; build it with normalize_qk=False"
    if query[1:] != key[1:]:
        return "has fewer heads of keys than of queries; build it with as many"
    if not query[0] == query[1] * query[2] == out[2]:
        return "has other features inside or at its end than at its beginning; build it with as many"
    return None


def _attention(_layer: Any, shape: ShapeOf) -> tuple[ArrayRule | JoinRule, ...]:
    query, key, value, out = (shape(f"{name}.kernel") for name in ("query", "key", "value", "out"))
    names = ("query", "key", "value")
    kernels = tuple(f"{name}.kernel" for name in names)
    rules: list[ArrayRule | JoinRule]
    if key[0] == value[0] == query[0]:
        rules = [JoinRule(("in_proj_weight",), kernels, Stacked(merged(query, 1), 3))]
    else:
        shapes = zip("qkv", kernels, (query, key, value), strict=True)
        rules = [ArrayRule(f"{letter}_proj_weight", name, merged(size, 1)) for letter, name, size in shapes]
    rules.append(JoinRule(("in_proj_bias",), tuple(f"{name}.bias" for name in names), Stacked(flat(query[1:]), 3)))
    return (*rules, ArrayRule("out_proj.weight", "out.kernel", merged(out, 2)), ArrayRule("out_proj.bias", "out.bias"))


RULES = (
    FlaxRule(
        ("LSTMCell",), (nnx.LSTMCell,), _cell(("ii", "if_", "ig", "io"), _LSTM_HIDDEN, _LSTM_HIDDEN, Biases(gates=4))
    ),
    FlaxRule(("LSTMCell",), (nnx.OptimizedLSTMCell,), _cell(*_FUSED, ("dense_h",), Biases())),
    FlaxRule(
        ("LSTMCell",),
        (linen.LSTMCell, linen.OptimizedLSTMCell),
        _cell(("ii", "if", "ig", "io"), _LSTM_HIDDEN, _LSTM_HIDDEN, Biases(gates=4)),
    ),
    FlaxRule(("GRUCell",), (nnx.GRUCell,), _cell(*_FUSED, ("dense_i",), FusedGruBiases())),
    FlaxRule(
        ("GRUCell",),
        (linen.GRUCell,),
        _cell(("ir", "iz", "in"), ("hr", "hz", "hn"), ("ir", "iz", "in", "hn"), Biases(gates=3, apart=1)),
    ),
    FlaxRule(("RNNCell",), (nnx.SimpleCell,), _cell(*_FUSED, ("dense_i",), Biases()), defaults={"residual": False}),
    FlaxRule(("RNNCell",), (linen.SimpleCell,), _cell(("i",), ("h",), ("i",), Biases()), defaults={"residual": False}),
    FlaxRule(
        ("MultiheadAttention",),
        (nnx.MultiHeadAttention, linen.MultiHeadDotProductAttention),
        arrays_of=_attention,
        refusal=_unequal,
    ),
)
