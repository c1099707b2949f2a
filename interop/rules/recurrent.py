"""Recurrent layers; their arrays have PyTorch's names and layouts."""

import dilax.nn

from .rule import Rule, take

_LAYER = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
_CELL = ("input_size", "hidden_size", "bias")

RULES = (
    Rule(("LSTM",), dilax.nn.LSTM, take(*_LAYER, "proj_size"), same_names=True),
    Rule(("GRU",), dilax.nn.GRU, take(*_LAYER), same_names=True),
    Rule(("RNN",), dilax.nn.RNN, take(*_LAYER, "nonlinearity"), same_names=True),
    Rule(("LSTMCell",), dilax.nn.LSTMCell, take(*_CELL), same_names=True),
    Rule(("GRUCell",), dilax.nn.GRUCell, take(*_CELL), same_names=True),
    Rule(("RNNCell",), dilax.nn.RNNCell, take(*_CELL, "nonlinearity"), same_names=True),
)
