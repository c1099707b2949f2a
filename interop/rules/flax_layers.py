"""Layers of Flax itself, of ``flax.nnx`` and ``flax.linen`` alike."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from flax import linen, nnx

from .join import Absent
from .layout import ChannelsLast, Flipped, Layout, Reshaped, Same, Shape, TransposedChannelsLast
from .rule import ArrayRule, FlaxRule, JoinRule, ShapeOf

_BIAS = ArrayRule("bias", "bias")
_AFFINE = (ArrayRule("weight", "scale"), _BIAS)
_RUNNING = (ArrayRule("running_mean", "mean"), ArrayRule("running_var", "var"))
_COUNT = JoinRule(("num_batches_tracked",), (), Absent(), np.dtype(np.int64))
#: PyTorch computes variances from the differences to the mean.
_DEFAULTS = {"epsilon": 1e-5, "use_fast_variance": False}


def merged(shape: Shape, inputs: int) -> Layout:
    """Layout of a kernel ``(*inputs, *outputs)`` whose PyTorch weight is ``(outputs, inputs)``, each in one axis."""
    return Reshaped(ChannelsLast(), (prod(shape[:inputs]), prod(shape[inputs:])), shape)


def flat(shape: Shape) -> Layout:
    """Layout of an array that PyTorch has as a vector."""
    return Reshaped(Same(), (prod(shape),), shape)


def _transposed(layer: Any, _shape: ShapeOf) -> tuple[ArrayRule, ...]:
    # Flax's own order is that of a convolution of the spread input, PyTorch's that of a convolution's gradient.
    layout = ChannelsLast() if layer.transpose_kernel else Flipped(TransposedChannelsLast(1))
    return ArrayRule("weight", "kernel", layout), _BIAS


def _general(layer: Any, shape: ShapeOf) -> tuple[ArrayRule, ...]:
    inputs = len(layer.axis) if isinstance(layer.axis, Sequence) else 1
    kernel = ArrayRule("weight", "kernel", merged(shape("kernel"), inputs))
    return kernel, ArrayRule("bias", "bias", flat(shape("bias")))


def _batched(layer: Any, _shape: ShapeOf) -> str | None:
    batched = getattr(layer, "batch_axis", None) or getattr(layer, "batch_dims", None)
    return "has batch axes; use a linear layer for each index along them" if batched else None


def _spectral(_layer: Any, _shape: ShapeOf) -> str:
    return "iterates in evaluation too and keeps one vector of two; use dilax.nn.spectral_norm"


def _without_lengths(layer: Any, _shape: ShapeOf) -> str | None:
    return None if layer.use_scale else "has no lengths; make it with use_scale=True, or use dilax.nn.weight_norm"


RULES = (
    FlaxRule(
        ("Conv1d", "Conv2d", "Conv3d"),
        (nnx.Conv, linen.Conv),
        (ArrayRule("weight", "kernel", ChannelsLast()), _BIAS),
    ),
    FlaxRule(
        ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"),
        (nnx.ConvTranspose, linen.ConvTranspose),
        arrays_of=_transposed,
    ),
    FlaxRule(("Linear",), (nnx.Linear, linen.Dense), (ArrayRule("weight", "kernel", ChannelsLast()), _BIAS)),
    FlaxRule(("Linear",), (nnx.LinearGeneral, linen.DenseGeneral), arrays_of=_general, refusal=_batched),
    FlaxRule(("Embedding",), (nnx.Embed, linen.Embed), (ArrayRule("weight", "embedding"),)),
    FlaxRule(
        ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"),
        (nnx.BatchNorm, linen.BatchNorm),
        (*_AFFINE, *_RUNNING, _COUNT),
        defaults=_DEFAULTS | {"momentum": 0.9},
    ),
    FlaxRule(("LayerNorm",), (nnx.LayerNorm, linen.LayerNorm), _AFFINE, defaults=_DEFAULTS),
    FlaxRule(("GroupNorm",), (nnx.GroupNorm, linen.GroupNorm), _AFFINE, defaults=_DEFAULTS),
    FlaxRule(
        ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
        (nnx.InstanceNorm, linen.InstanceNorm),
        _AFFINE,
        defaults=_DEFAULTS,
    ),
    FlaxRule(
        ("RMSNorm",),
        (nnx.RMSNorm, linen.RMSNorm),
        _AFFINE[:1],
        defaults={"epsilon": float(np.finfo(np.float32).eps)},
    ),
    FlaxRule((), (nnx.WeightNorm, linen.WeightNorm), refusal=_without_lengths),
    FlaxRule((), (nnx.SpectralNorm, linen.SpectralNorm), refusal=_spectral),
)
