"""Layers of torch.nn beside the same layer of flax.nnx and of flax.linen, and an input of the PyTorch one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen, nnx
from torch.nn.utils import parametrizations

EXACT = {"epsilon": 1e-5, "use_fast_variance": False}


@dataclass(frozen=True)
class Case:
    """One layer: what makes it in each of the three, and the shapes of its inputs in PyTorch.

    Attributes:
        channels: Whether PyTorch has the channels second and Flax last.
        cell: Whether it takes a state first; PyTorch takes it last, that of an LSTM in the other order.
    """

    theirs: Callable[[], Any]
    nnx: Callable[[nnx.Rngs], Any]
    linen: Callable[[], Any]
    shapes: tuple[tuple[int, ...], ...]
    channels: bool = False
    cell: bool = False

    def call(self, module, x, *rest):
        """Output of the PyTorch layer; the new hidden state of a cell."""
        y = module(x, rest[0] if len(rest) == 1 else rest) if self.cell else module(x, *rest)
        return y[0] if isinstance(y, tuple) else y

    def arguments(self, x, *rest):
        """The same inputs for the Flax layer."""
        if self.cell:
            return (rest[0] if len(rest) == 1 else rest[::-1]), x
        return x, *rest

    def run(self, layer, *inputs):
        """Output of the NNX layer."""
        y = layer(*self.arguments(*inputs))
        return y[1] if isinstance(y, tuple) else y


def _conv(**options):
    return {"kernel_size": (3, 2), "strides": (2, 1), "kernel_dilation": (1, 2), "padding": "VALID", **options}


def _transposed(flip):
    options = {"kernel_size": (3, 2), "strides": (2, 1), "padding": "VALID", "transpose_kernel": flip}
    return Case(
        lambda: torch.nn.ConvTranspose2d(4, 6, (3, 2), (2, 1)),
        lambda rngs: nnx.ConvTranspose(4, 6, **options, rngs=rngs),
        lambda: linen.ConvTranspose(6, **options),
        ((2, 4, 5, 7),),
        channels=True,
    )


def _attend(query, key, value, **_options):
    """Attention in float64; that of nnx has float32 inside."""
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value)


def _attention(**options):
    kdim = options.get("kdim", 6)
    return Case(
        lambda: torch.nn.MultiheadAttention(6, 2, batch_first=True, vdim=kdim, **options),
        lambda rngs: nnx.MultiHeadAttention(
            2, 6, in_kv_features=kdim, rngs=rngs, decode=False, attention_fn=_attend, use_bias="bias" not in options
        ),
        lambda: linen.MultiHeadDotProductAttention(2, use_bias="bias" not in options),
        ((3, 5, 6), (3, 4, kdim), (3, 4, kdim)),
    )


CASES = {
    "Conv": Case(
        lambda: torch.nn.Conv2d(4, 6, (3, 2), (2, 1), dilation=(1, 2), groups=2),
        lambda rngs: nnx.Conv(4, 6, **_conv(feature_group_count=2), rngs=rngs),
        lambda: linen.Conv(6, **_conv(feature_group_count=2)),
        ((2, 4, 5, 7),),
        channels=True,
    ),
    "ConvTranspose": _transposed(False),
    "ConvTranspose, transpose_kernel": _transposed(True),
    "Linear": Case(
        lambda: torch.nn.Linear(5, 7), lambda rngs: nnx.Linear(5, 7, rngs=rngs), lambda: linen.Dense(7), ((2, 3, 5),)
    ),
    "Linear without bias": Case(
        lambda: torch.nn.Linear(5, 7, bias=False),
        lambda rngs: nnx.Linear(5, 7, use_bias=False, rngs=rngs),
        lambda: linen.Dense(7, use_bias=False),
        ((2, 5),),
    ),
    "LinearGeneral": Case(
        lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 10), torch.nn.Unflatten(1, (2, 5))),
        lambda rngs: nnx.Sequential(_same, nnx.LinearGeneral((3, 4), (2, 5), axis=(-2, -1), rngs=rngs)),
        lambda: linen.Sequential([_same, linen.DenseGeneral((2, 5), axis=(-2, -1), name="layers_1")], name="outer"),
        ((6, 3, 4),),
    ),
    "BatchNorm": Case(
        lambda: torch.nn.BatchNorm2d(4),
        lambda rngs: nnx.BatchNorm(4, use_running_average=True, rngs=rngs),
        lambda: linen.BatchNorm(use_running_average=True),
        ((2, 4, 3, 5),),
        channels=True,
    ),
    "LayerNorm": Case(
        lambda: torch.nn.LayerNorm(6),
        lambda rngs: nnx.LayerNorm(6, **EXACT, rngs=rngs),
        lambda: linen.LayerNorm(**EXACT),
        ((2, 3, 6),),
    ),
    "GroupNorm": Case(
        lambda: torch.nn.GroupNorm(2, 6),
        lambda rngs: nnx.GroupNorm(6, 2, **EXACT, rngs=rngs),
        lambda: linen.GroupNorm(2, **EXACT),
        ((2, 6, 3, 5),),
        channels=True,
    ),
    "InstanceNorm": Case(
        lambda: torch.nn.InstanceNorm1d(4, affine=True),
        lambda rngs: nnx.InstanceNorm(4, **EXACT, rngs=rngs),
        lambda: linen.InstanceNorm(**EXACT),
        ((2, 4, 5),),
        channels=True,
    ),
    "RMSNorm": Case(
        lambda: torch.nn.RMSNorm(6, eps=1e-6),
        lambda rngs: nnx.RMSNorm(6, rngs=rngs),
        lambda: linen.RMSNorm(),
        ((2, 3, 6),),
    ),
    "Embed": Case(
        lambda: torch.nn.Embedding(6, 4),
        lambda rngs: nnx.Embed(6, 4, param_dtype=np.float64, rngs=rngs),
        lambda: linen.Embed(6, 4),
        ((5, 3),),
    ),
    "attention": _attention(),
    "attention, other keys": _attention(kdim=5),
    "attention without bias": _attention(bias=False),
    "WeightNorm": Case(
        lambda: parametrizations.weight_norm(torch.nn.Conv1d(4, 6, 3)),
        lambda rngs: nnx.WeightNorm(nnx.Conv(4, 6, (3,), padding="VALID", rngs=rngs), rngs=rngs),
        lambda: linen.WeightNorm(linen.Conv(6, (3,), padding="VALID")),
        ((2, 4, 7),),
        channels=True,
    ),
    "WeightNorm, one length": Case(
        lambda: parametrizations.weight_norm(torch.nn.Linear(5, 7), dim=None),
        lambda rngs: nnx.WeightNorm(nnx.Linear(5, 7, rngs=rngs), feature_axes=None, rngs=rngs),
        lambda: linen.WeightNorm(linen.Dense(7), feature_axes=None),
        ((2, 5),),
    ),
}
for name, ours, others in (
    ("LSTM", nnx.LSTMCell, linen.LSTMCell),
    ("LSTM", nnx.OptimizedLSTMCell, linen.OptimizedLSTMCell),
    ("GRU", nnx.GRUCell, linen.GRUCell),
    ("RNN", nnx.SimpleCell, linen.SimpleCell),
):
    torch_cell, torch_layer = getattr(torch.nn, f"{name}Cell"), getattr(torch.nn, name)
    options = {"param_dtype": np.float64, "dtype": np.float64}

    states = ((3, 5), *((3, 4),) * (1 + (name == "LSTM")))

    def cell(rngs, ours=ours, options=options):
        return ours(5, 4, **options, rngs=rngs)

    CASES[ours.__name__] = Case(
        lambda t=torch_cell: t(5, 4), cell, lambda o=others, options=options: o(4, **options), states, cell=True
    )
    CASES[f"RNN of {ours.__name__}"] = Case(
        lambda t=torch_layer: t(5, 4, batch_first=True),
        lambda rngs, c=cell: nnx.RNN(c(rngs), rngs=rngs),
        lambda o=others: linen.RNN(o(4, param_dtype=np.float64)),
        ((3, 6, 5),),
    )
CASES["Bidirectional"] = Case(
    lambda: torch.nn.GRU(5, 4, batch_first=True, bidirectional=True),
    lambda rngs: nnx.Bidirectional(
        *(nnx.RNN(nnx.GRUCell(5, 4, **options, rngs=rngs), rngs=rngs) for _ in range(2)), rngs=rngs
    ),
    lambda: linen.Bidirectional(*(linen.RNN(linen.GRUCell(4, param_dtype=np.float64)) for _ in range(2))),
    ((3, 6, 5),),
)


def _same(x):
    return x
