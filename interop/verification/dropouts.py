"""Layers whose random masks two frameworks cannot share."""

from typing import Any

import torch
from flax import nnx

from dilax.errors import DilaxError

from ..rules import modules

# Where the layers keep the share that they drop.
_SHARES = ("p", "dropout", "rate", "dropout_rate")
_TORCH = (torch.nn.modules.dropout._DropoutNd, torch.nn.RNNBase, torch.nn.MultiheadAttention, torch.nn.RReLU)


def check_dropouts(torch_module: torch.nn.Module, model: nnx.Module) -> None:
    """Raise a DilaxError if a layer of either side draws random numbers in training."""
    found = [
        f"{name or 'the module'} ({type(one).__name__}{_share(one)}) in PyTorch"
        for name, one in torch_module.named_modules()
        if isinstance(one, _TORCH) and (_active(one) or isinstance(one, torch.nn.RReLU))
    ]
    found += [
        f"{path or 'the model'} ({type(one).__name__}{_share(one)}) in Flax"
        for path, one in modules(model)
        if hasattr(one, "deterministic") and (_active(one) or type(one).__name__ == "RReLU")
    ]
    if found:
        shown = ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")
        raise DilaxError(
            f"verify: training=True with dropouts, whose random masks cannot agree: {shown}; build both models with "
            "dropout 0, or set it to 0 in each of these layers (p = 0.0 in PyTorch and dilax, rate = 0.0 in Flax)."
        )


def _active(layer: Any) -> bool:
    if hasattr(layer, "num_layers") and layer.num_layers == 1:
        return False  # a recurrent layer drops between its layers
    return any(_value(layer, name) > 0 for name in _SHARES)


def _value(layer: Any, name: str) -> float:
    value = getattr(layer, name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _share(layer: Any) -> str:
    return next((f", {name}={_value(layer, name):g}" for name in _SHARES if _value(layer, name) > 0), "")
