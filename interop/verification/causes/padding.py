"""On which side a window is padded."""

from collections.abc import Iterator
from typing import Any

import torch

from .case import Case

_LAYERS = (
    torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.MaxPool3d,
    torch.nn.AvgPool1d, torch.nn.AvgPool2d, torch.nn.AvgPool3d,
)  # fmt: skip

Pads = tuple[tuple[int, int], ...]


def padding_side(case: Case) -> str | None:
    """Whether Flax pads before and after differently, as ``"SAME"`` does where the stride is not 1."""
    layer, x = case.layer, case.array
    if not isinstance(layer, _LAYERS) or x is None:
        return None
    axes = int(type(layer).__name__[-2]) if type(layer).__name__[-2].isdigit() else x.ndim - 2
    theirs = _theirs(layer, axes)
    for pads in _candidates(case, axes, theirs):
        flat = [end for pair in reversed(pads) for end in pair]
        value = float("-inf") if "MaxPool" in type(layer).__name__ else 0.0
        padded = torch.nn.functional.pad(x, flat, value=value)
        if pads != theirs and case.explains(case.changed(padding=_zero(layer, axes)), padded):
            return f"padding side: Flax pads {_text(pads)} before and after each axis, PyTorch {_text(theirs)}"
    return None


def _zero(layer: Any, axes: int) -> Any:
    return (0,) * axes if "Conv" in type(layer).__name__ else 0


def _per_axis(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes


def _theirs(layer: Any, axes: int) -> Pads:
    if layer.padding == "valid":
        return ((0, 0),) * axes
    if layer.padding == "same":
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return tuple((pad, pad) for pad in _per_axis(layer.padding, axes))


def _candidates(case: Case, axes: int, theirs: Pads) -> Iterator[Pads]:
    own = case.attribute("padding")
    if isinstance(own, tuple | list) and len(own) == axes and all(isinstance(pair, tuple) for pair in own):
        yield tuple(own)
    layer: Any = case.layer
    x: Any = case.array
    same = []
    sizes = (layer.kernel_size, layer.stride, getattr(layer, "dilation", 1))
    for length, taps, step, rate in zip(x.shape[-axes:], *(_per_axis(size, axes) for size in sizes), strict=True):
        total = max((-(-length // step) - 1) * step + rate * (taps - 1) + 1 - length, 0)
        same.append((total // 2, total - total // 2))
    yield tuple(same)
    yield tuple((after, before) for before, after in same)
    yield tuple((0, sum(pair)) for pair in theirs)
    yield tuple((sum(pair), 0) for pair in theirs)
    yield ((0, 0),) * axes


def _text(pads: Pads) -> str:
    distinct = dict.fromkeys(pads)
    return ", ".join(f"({before}, {after})" for before, after in (distinct if len(distinct) == 1 else pads))
