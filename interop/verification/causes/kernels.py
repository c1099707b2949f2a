"""Numbers of a weight that are all there, at wrong places."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch

from ...rules import TransposedChannelsLast
from .case import Case


def _weight(case: Case) -> torch.Tensor | None:
    weight = case.arrays().get("weight")
    return weight if weight is not None and weight.ndim >= 2 else None


def flipped_kernel(case: Case) -> str | None:
    """Whether Flax runs over the taps the other way, as a convolution in the sense of signal processing does."""
    weight = _weight(case)
    if weight is None or weight.ndim < 3:
        return None
    flipped = weight.flip(tuple(range(2, weight.ndim)))
    if case.explains(case.with_arrays({"weight": flipped})):
        return "flipped kernel: the taps of Flax's kernel are in the opposite order along each spatial axis"
    return None


def transposed_weight(case: Case) -> str | None:
    """Whether a weight with as many inputs as outputs is transposed."""
    weight = _weight(case)
    if weight is None or weight.shape[0] != weight.shape[1]:
        return None
    if case.explains(case.with_arrays({"weight": weight.transpose(0, 1)})):
        return f"transposed weight: inputs and outputs are exchanged, which a square shape {_shape(weight)} hides"
    return None


def permuted_axes(case: Case) -> str | None:
    """Whether the axes of a kernel of equal sizes are permuted."""
    weight = _weight(case)
    if weight is None or weight.ndim < 3:
        return None
    for order in itertools.permutations(range(weight.ndim)):
        moved = weight.permute(order)
        if order == tuple(range(weight.ndim)) or moved.shape != weight.shape:
            continue
        if case.explains(case.with_arrays({"weight": moved})):
            return (
                f"permuted axes: Flax's kernel has PyTorch's axes {_shape(weight)} in the order {order}, "
                "which equal sizes hide"
            )
    return None


def grouped_kernel(case: Case) -> str | None:
    """Whether the kernel of a grouped transposed convolution was reshaped as if there were no groups."""
    weight = _weight(case)
    if weight is None or not getattr(case.layer, "transposed", False) or case.layer.groups == 1:
        return None
    groups: Any = case.layer.groups
    for wrong in _reshaped(weight, groups):
        if case.explains(case.with_arrays({"weight": wrong})):
            return (
                f"grouped kernel: the {case.layer.groups} groups of PyTorch's weight {_shape(weight)} were not split "
                "before its channel axes were moved, so that channels lie in wrong groups"
            )
    return None


def _reshaped(weight: torch.Tensor, groups: int) -> Iterator[torch.Tensor]:
    """The weight as PyTorch would have it, had Flax's kernel been reshaped plainly in one way or another."""
    layout = TransposedChannelsLast(groups)
    c_in, c_group, *kernel_size = weight.shape
    shape = (*kernel_size, c_in // groups, c_group * groups)
    ends = weight.movedim((0, 1), (-2, -1)), weight.movedim((1, 0), (-2, -1)), weight
    for start in ends:
        kernel = start.reshape(shape)
        yield torch.from_numpy(layout.to_torch(kernel.numpy(force=True)).copy()).to(weight)


def reshaped_weight(case: Case) -> str | None:
    """Whether a weight was reshaped to Flax's shape, rather than its axes moved."""
    weight = _weight(case)
    if weight is None or getattr(case.layer, "transposed", False):
        return None
    wrong = weight.reshape(*weight.shape[2:], weight.shape[1], weight.shape[0]).movedim((-1, -2), (0, 1))
    if case.explains(case.with_arrays({"weight": wrong})):
        return f"reshaped weight: PyTorch's weight {_shape(weight)} was reshaped, where its axes must be moved"
    return None


def flattened_order(case: Case) -> str | None:
    """Whether a linear map takes a flattened feature map with its channels last, or the other way round."""
    weight = _weight(case)
    if weight is None or not isinstance(case.layer, torch.nn.Linear):
        return None
    outputs, inputs = weight.shape
    for channels in range(2, inputs // 2 + 1):
        if inputs % channels:
            continue
        wrong = weight.reshape(outputs, channels, inputs // channels).transpose(1, 2).reshape(outputs, inputs)
        if case.explains(case.with_arrays({"weight": wrong})):
            return (
                f"channel order: the weight's {inputs} inputs, a flattened feature map, have the order of "
                f"{channels} channels before {inputs // channels} places on one side and after them on the other"
            )
    return None


_GATES = {"LSTM": "ifgo", "LSTMCell": "ifgo", "GRU": "rzn", "GRUCell": "rzn"}


def gate_order(case: Case) -> str | None:
    """Whether the gates of a recurrent layer are in another order."""
    gates = _GATES.get(case.kind)
    if gates is None:
        return None
    arrays = {
        name: array for name, array in case.arrays().items() if name.startswith(("weight_ih", "weight_hh", "bias_"))
    }
    for order in itertools.permutations(range(len(gates))):
        wrong = {name: torch.cat([array.chunk(len(gates))[index] for index in order]) for name, array in arrays.items()}
        if order != tuple(range(len(gates))) and case.explains(case.with_arrays(wrong)):
            ours, theirs = (", ".join(gates[index] for index in one) for one in (order, range(len(gates))))
            return f"gate order: Flax has the gates in the order {ours}, PyTorch in {theirs}"
    return None


def missing_bias(case: Case) -> str | None:
    """Whether Flax adds no bias."""
    bias = {name: array for name, array in case.arrays().items() if name.startswith("bias")}
    if bias and case.explains(case.with_arrays({name: torch.zeros_like(array) for name, array in bias.items()})):
        return "missing bias: Flax adds none, or one of zeros"
    return None


def _shape(array: torch.Tensor) -> str:
    return "×".join(map(str, array.shape)) if math.prod(array.shape) else "()"
