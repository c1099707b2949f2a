"""One activation in the place of another."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from .case import Case
from .functions import called, with_replaced

# What frameworks take one for another, or leave out.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "gelu with the tanh approximation": nn.GELU("tanh"),
    "gelu, exact": nn.GELU(),
    "gelu by x * sigmoid(1.702 x)": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    **{f"leaky relu of slope {slope:g}": nn.LeakyReLU(slope) for slope in (0.01, 0.1, 0.2, 0.3, 0.05, 0.25)},
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "hard swish": nn.Hardswish(),
    "hard sigmoid": nn.Hardsigmoid(),
    "hard sigmoid of slope 0.2": lambda x: torch.clamp(0.2 * x + 0.5, 0, 1),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "softplus": nn.Softplus(),
    "softmax over the last axis": nn.Softmax(-1),
    "softmax over the channels": nn.Softmax(1),
    "log softmax over the last axis": nn.LogSoftmax(-1),
    "log softmax over the channels": nn.LogSoftmax(1),
    "no activation": lambda x: x,
}  # fmt: skip
_LAYERS = (
    nn.ReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Softsign, nn.Sigmoid, nn.LogSigmoid,
    nn.Tanh, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softmax, nn.LogSoftmax,
    nn.Softmax2d, nn.Identity,
)  # fmt: skip
_CALLED = ("relu", "gelu", "leaky_relu", "silu", "elu", "relu6", "hardswish", "hardsigmoid", "softmax", "mish", "celu")


def activation(case: Case) -> str | None:
    """Whether Flax computes another activation, as a layer or in a module's own code."""
    if isinstance(case.layer, _LAYERS):
        for name, function in _options(case):
            if case.explains(function):
                return f"activation: Flax computes {name}, PyTorch {_text(case.layer)}"
        return None
    layer = case.changed()
    for theirs in called(case, _CALLED):
        for name, function in _FUNCTIONS.items():
            if case.explains(with_replaced(layer, theirs, _instead(function))):
                return f"activation: its own code computes {name} in Flax, {theirs} in PyTorch"
    return _absent(case)


def _absent(case: Case) -> str | None:
    """Whether a function in Flax is another activation than the layers that it stands for."""
    parts = {path: case.layer.get_submodule(path) for path in case.absent}
    for kind in dict.fromkeys(type(part) for part in parts.values() if isinstance(part, _LAYERS)):
        paths = [path for path, part in parts.items() if type(part) is kind]
        for name, function in _FUNCTIONS.items():
            layer = case.changed()
            for path in paths:
                layer.get_submodule(path.rpartition(".")[0]).register_module(
                    path.rpartition(".")[2], _Function(function)
                )
            if case.explains(layer):
                return f"activation: Flax computes {name}, PyTorch {_text(parts[paths[0]])} ({', '.join(paths)})"
    return None


class _Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Any) -> Any:
        return self._function(x)


def _options(case: Case) -> Iterator[tuple[str, Callable[..., Any]]]:
    slope = case.attribute("negative_slope")
    if isinstance(slope, float):
        yield f"leaky relu of slope {slope:g}", nn.LeakyReLU(slope)
    alpha = case.attribute("alpha")
    if isinstance(alpha, float):
        yield f"elu with alpha={alpha:g}", nn.ELU(alpha)
    yield from _FUNCTIONS.items()


def _text(layer: nn.Module) -> str:
    inside = layer.extra_repr().replace(", inplace=True", "").replace("inplace=True", "")
    return f"{type(layer).__name__}({inside})" if inside else type(layer).__name__


def _instead(function: Callable[..., Any]) -> Any:
    def run(_original: Any, x: Any, *_args: Any, **_kwargs: Any) -> Any:
        return function(x)

    return run
