"""Weights divided by their largest singular value."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from .checks import number, positive, stream
from .initial import normal
from .weight_norm import Form, check_axis, check_form, parameter


class SpectralNorm(nnx.Module):
    """A parameter divided by an estimate of its largest singular value, as a matrix of ``dim`` by all other axes.

    Stands where the parameter stood and is read alike, by ``[...]``. In training each reading first betters the
    estimate by power iterations, in place; in evaluation the estimate stays.

    Args:
        kernel: The value to begin with.
        dim: The axis of ``kernel`` that is the rows of the matrix.
        n_power_iterations: Iterations in each reading.
        eps: Smallest norm to divide by.
        form: Which of PyTorch's two ways to keep it the keys follow; they iterate in different order.
        rngs: Where the singular vectors begin.

    Attributes:
        original: The parameter before the division.
        u: The left singular vector, shaped as the kernel with 1 for every axis but ``dim``.
        v: The right singular vector, shaped as the kernel with 1 for ``dim``.

    Raises:
        ArgumentError: The parameter has fewer than two axes, or an argument is out of range.

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.
    """

    def __init__(
        self,
        kernel: jax.Array,
        *,
        dim: int = -1,
        n_power_iterations: int = 1,
        eps: float = 1e-12,
        form: Form = "parametrization",
        rngs: nnx.Rngs,
    ) -> None:
        check_form("SpectralNorm", form)
        check_axis("SpectralNorm", dim, kernel)
        positive("SpectralNorm", n_power_iterations=n_power_iterations)
        number("SpectralNorm", eps=eps)
        stream("SpectralNorm", rngs, "params")
        if kernel.ndim < 2:
            raise ArgumentError(
                "SpectralNorm", "kernel", kernel.shape, "is no matrix", "pass a parameter of two or more axes"
            )
        self.dim, self.n_power_iterations, self.eps, self.form = dim % kernel.ndim, n_power_iterations, eps, form
        self.use_running_average = False
        rows = tuple(size if axis == self.dim else 1 for axis, size in enumerate(kernel.shape))
        columns = tuple(1 if axis == self.dim else size for axis, size in enumerate(kernel.shape))
        self.original = nnx.Param(kernel)
        self.u = nnx.BatchStat(self._unit(normal(rngs, rows, kernel.dtype)))
        self.v = nnx.BatchStat(self._unit(normal(rngs, columns, kernel.dtype)))
        for _ in range(15):  # as in PyTorch, so that the first division is near the right one
            self._iterate(kernel)

    def __getitem__(self, index: Any) -> jax.Array:
        """The divided parameter, or a part of it."""
        kernel = self.original[...]
        if not self.use_running_average:
            for _ in range(self.n_power_iterations):
                self._iterate(jax.lax.stop_gradient(kernel))
        return (kernel / (self.u[...] * self._times_right(kernel)).sum())[index]

    def _iterate(self, kernel: jax.Array) -> None:
        for update in (self._left, self._right) if self.form == "parametrization" else (self._right, self._left):
            update(kernel)

    def _times_right(self, kernel: jax.Array) -> jax.Array:
        columns = tuple(axis for axis in range(kernel.ndim) if axis != self.dim)
        return (kernel * self.v[...]).sum(columns, keepdims=True)

    def _left(self, kernel: jax.Array) -> None:
        self.u[...] = self._unit(self._times_right(kernel))

    def _right(self, kernel: jax.Array) -> None:
        self.v[...] = self._unit((kernel * self.u[...]).sum(self.dim, keepdims=True))

    def _unit(self, vector: jax.Array) -> jax.Array:
        return vector / jnp.maximum(jnp.sqrt(jnp.square(vector).sum()), self.eps)


def spectral_norm(
    layer: Any,
    name: str = "kernel",
    *,
    dim: int = -1,
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    form: Form = "parametrization",
    rngs: nnx.Rngs,
) -> Any:
    """Divide a parameter of a layer by its largest singular value, as ``torch.nn.utils.spectral_norm``.

    Args:
        layer: The layer; is changed.
        name: Name of the parameter.
        dim: The axis of the parameter that is the rows of a matrix, the last being the outputs of a kernel.
        n_power_iterations: Iterations in each call in training.
        eps: Smallest norm to divide by.
        form: Whether its keys are those of ``torch.nn.utils.parametrizations.spectral_norm``
            (``parametrizations.weight.original``, ``0._u`` and ``0._v``) or those of the older
            ``torch.nn.utils.spectral_norm`` (``weight_orig``, ``weight_u`` and ``weight_v``), which is the hook.
        rngs: Where the singular vectors begin.

    Returns:
        The layer.

    Raises:
        ArgumentError: The layer has no such parameter, or an argument is out of range.
    """
    kernel = parameter("spectral_norm", layer, name)
    divided = SpectralNorm(kernel, dim=dim, n_power_iterations=n_power_iterations, eps=eps, form=form, rngs=rngs)
    setattr(layer, name, divided)
    return layer
