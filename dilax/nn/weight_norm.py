"""Weights made of a length and a direction."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError, nearest
from ..ops.arguments import is_integer, one_of
from .moments import widen

#: How PyTorch keeps the arrays: in a parametrization, or in a hook that runs before each call.
Form = Literal["parametrization", "hook"]


class WeightNorm(nnx.Module):
    """A parameter computed as ``g * v / norm(v)``; stands where the parameter stood and is read alike, by ``[...]``.

    Args:
        kernel: The value to begin with.
        dim: The axis of ``kernel`` along which the lengths are; None for one length of all.
        form: Which of PyTorch's two ways to keep it the keys follow.

    Attributes:
        g: The lengths, shaped as the kernel with 1 for every axis but ``dim``; a 0-d array if that is None.
        v: The direction, shaped as the kernel.

    Source: Salimans and Kingma, "Weight Normalization", 2016.
    """

    def __init__(self, kernel: jax.Array, *, dim: int | None = -1, form: Form = "parametrization") -> None:
        check_form("WeightNorm", form)
        check_axis("WeightNorm", dim, kernel)
        self.dim, self.form = dim if dim is None else dim % kernel.ndim, form
        self.g = nnx.Param(self._norm(kernel).astype(kernel.dtype))
        self.v = nnx.Param(kernel)

    def _norm(self, v: jax.Array) -> jax.Array:
        squares = jnp.square(widen(v))
        if self.dim is None:
            return jnp.sqrt(squares.reshape(-1, v.shape[-1]).sum(0).sum())  # two short sums are nearer than a long one
        return jnp.sqrt(squares.sum(tuple(axis for axis in range(v.ndim) if axis != self.dim), keepdims=True))

    def __getitem__(self, index: Any) -> jax.Array:
        """The computed parameter, or a part of it."""
        v = self.v[...]
        return (v * (self.g[...] / self._norm(v))).astype(v.dtype)[index]


def weight_norm(layer: Any, name: str = "kernel", *, dim: int | None = -1, form: Form = "parametrization") -> Any:
    """Make a parameter of a layer that of a weight normalisation, as ``torch.nn.utils.weight_norm``.

    Args:
        layer: The layer; is changed.
        name: Name of the parameter.
        dim: The axis of the parameter along which the lengths are, the last being the outputs of a kernel; None for
            one length of all.
        form: Whether its keys are those of ``torch.nn.utils.parametrizations.weight_norm``
            (``parametrizations.weight.original0`` and ``original1``) or those of the older
            ``torch.nn.utils.weight_norm`` (``weight_g`` and ``weight_v``), which is the hook.

    Returns:
        The layer.

    Raises:
        ArgumentError: The layer has no such parameter, that has no such axis, or the form is unknown.
    """
    setattr(layer, name, WeightNorm(parameter("weight_norm", layer, name), dim=dim, form=form))
    return layer


def parameter(function: str, layer: Any, name: str) -> jax.Array:
    """The value of a layer's parameter, for a function that is about to replace it."""
    held = vars(layer).get(name)
    if not isinstance(held, nnx.Param):
        names = [key for key, value in vars(layer).items() if isinstance(value, nnx.Param)]
        raise ArgumentError(
            function, "name", name, f"is no parameter of {type(layer).__name__}{nearest(name, names)}",
            f"pass one of {', '.join(names) or 'those of another layer'}",
        )  # fmt: skip
    return held[...]


def check_axis(function: str, dim: int | None, kernel: jax.Array) -> None:
    """Raise an ArgumentError if a kernel has no axis ``dim``."""
    if dim is not None and not (is_integer(dim) and -kernel.ndim <= dim < kernel.ndim):
        raise ArgumentError(
            function, "dim", dim, f"is no axis of a parameter of shape {kernel.shape}", "pass one, e.g. -1"
        )


def check_form(function: str, form: str) -> None:
    """Raise an ArgumentError if PyTorch has no such form."""
    one_of(function, "form", form, ("parametrization", "hook"))
