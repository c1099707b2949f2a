"""What a cause is tested on: one layer, its input, what it should give and what Flax gives instead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ..nesting import parts
from ..torch_side import copied

# Relative error at which two results are one: far above float64 rounding, far below any mistake.
_SAME = 1e-10

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Case:
    """A layer that differs.

    A cause is tested by doing to the PyTorch layer what went wrong: if it then gives what Flax gives, that is it. So
    the Flax layer may be of any make, even a plain function.

    Attributes:
        path: The PyTorch layer's path.
        layer: The PyTorch layer, in float64 and in the mode of the comparison.
        args: What it is called with.
        kwargs: Alike.
        expected: What it gives, by place in its output, or by name where buffers are compared.
        given: What Flax gives for the same, in PyTorch's layout.
        flax: The Flax layer, if there is one.
        whole: The module that the layer is part of.
        buffer: The buffer that is compared, rather than outputs.
        absent: Paths, in the layer, of those parts that Flax has not as layers.
    """

    path: str
    layer: torch.nn.Module
    args: tuple[Any, ...]
    expected: Tensors
    given: Tensors
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    flax: Any = None
    whole: torch.nn.Module | None = None
    buffer: str | None = None
    absent: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Type of the PyTorch layer."""
        return type(self.layer).__name__

    def attribute(self, *names: str) -> Any:
        """The Flax layer's first attribute of these names, or None."""
        return next((getattr(self.flax, name) for name in names if hasattr(self.flax, name)), None)

    def changed(self, **attributes: Any) -> torch.nn.Module:
        """A copy of the PyTorch layer with other attributes."""
        layer = copied(self.layer)
        for name, value in attributes.items():
            setattr(layer, name, value)
        return layer

    def arrays(self) -> Tensors:
        """The layer's own parameters and buffers."""
        own = [*self.layer.named_parameters(recurse=False), *self.layer.named_buffers(recurse=False)]
        return {name: tensor.detach() for name, tensor in own}

    def with_arrays(self, arrays: Tensors) -> torch.nn.Module:
        """A copy of the PyTorch layer with other numbers in some of its arrays."""
        layer = copied(self.layer)
        held = dict([*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)])
        with torch.no_grad():
            for name, tensor in arrays.items():
                held[name].copy_(tensor)
        return layer

    def explains(self, layer: Any, *args: Any) -> bool:
        """Whether a changed layer gives what Flax gives.

        Args:
            layer: The layer, or a function.
            *args: What to call it with; the case's own if none.
        """
        with torch.no_grad():
            try:
                output = layer(*args) if args else layer(*self._fresh(), **self.kwargs)
            except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
                return False  # it does not fit, so it is not the cause
        if self.buffer is not None:
            return isinstance(layer, torch.nn.Module) and self.matches({self.buffer: getattr(layer, self.buffer)})
        return self.matches(dict(parts(output, torch.Tensor)))

    def _fresh(self) -> list[Any]:
        """The arguments, which a layer may change in place."""
        return [arg.clone() if torch.is_tensor(arg) else arg for arg in self.args]

    def matches(self, found: Tensors) -> bool:
        """Whether these are what Flax gives."""
        if len(found) == len(self.given) == 1:
            found = dict(zip(self.given, found.values(), strict=True))
        return all(place in found and same(found[place], one) for place, one in self.given.items())

    @property
    def array(self) -> torch.Tensor | None:
        """The first argument, if it is an array."""
        return self.args[0] if self.args and torch.is_tensor(self.args[0]) else None


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two arrays are one but for rounding."""
    if one.shape != other.shape:
        return False
    wide = one.double(), other.double()
    size = wide[1][torch.isfinite(wide[1])].abs().max() if torch.isfinite(wide[1]).any() else torch.tensor(0.0)
    error = torch.where(wide[0] == wide[1], 0.0, wide[0] - wide[1]).abs()
    return bool((error <= _SAME * max(float(size), 1e-300)).all())
