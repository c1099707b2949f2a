"""Weighted sums of an axis's samples at fixed places: what pooling and resizing are made of.

Both directions read: the transpose is such a sum again, so no gradient scatters.
"""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from . import compiled
from .primitives import apply_here

Array = np.ndarray[Any, np.dtype[Any]]

# With more taps than this, a product with the whole matrix is faster than reading tap by tap.
_FEW_TAPS = 64


class Taps:
    """For each output sample, which input samples count and how much.

    Args:
        size: Length of the input axis.
        index: ``(taps, outputs)`` integers below ``size``.
        used: ``(taps, outputs)`` booleans; a tap that is not used is left out of the sum. None: all are.
        weight: ``(taps, outputs)`` in float64; None: all are 1.
    """

    def __init__(self, size: int, index: Array, used: Array | None = None, weight: Array | None = None) -> None:
        self.size, self.index, self.weight = size, index, weight
        self.used = np.ones(index.shape, bool) if used is None else used
        self._key = (
            size,
            index.shape,
            index.tobytes(),
            self.used.tobytes(),
            None if weight is None else weight.tobytes(),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Taps) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def outputs(self) -> int:
        """Length of the output axis."""
        return self.index.shape[1]

    @cached_property
    def transpose(self) -> "Taps":
        """For each input sample, which output samples it counts in and how much."""
        # In the order of the outputs, as a loop over them would add up.
        outputs, taps = np.nonzero(self.used.T)
        order = np.argsort(self.index[taps, outputs], kind="stable")
        taps, outputs = taps[order], outputs[order]
        inputs = self.index[taps, outputs]
        counts = np.bincount(inputs, minlength=self.size)
        place = np.arange(inputs.size) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = (max(int(counts.max(initial=0)), 1), self.size)
        index, used = np.zeros(shape, np.int64), np.zeros(shape, bool)
        index[place, inputs], used[place, inputs] = outputs, True
        weight = None
        if self.weight is not None:
            weight = np.zeros(shape)
            weight[place, inputs] = self.weight[taps, outputs]
        return Taps(self.outputs, index, used, weight)

    @cached_property
    def matrix(self) -> Array:
        """``(outputs, size)`` in float64."""
        dense = np.zeros((self.outputs, self.size))
        taps, outputs = np.nonzero(self.used)
        weight = 1.0 if self.weight is None else self.weight[taps, outputs]
        np.add.at(dense, (outputs, self.index[taps, outputs]), weight)
        return dense


def sample(x: jax.Array, axis: int, taps: Taps) -> jax.Array:
    """Sum the samples along one axis, weighted, for each output sample.

    Args:
        x: Any array; floating if the taps have weights.
        axis: The axis, not negative; ``taps.size`` long.
        taps: What counts how much.

    Returns:
        The array with the axis ``taps.outputs`` long, of the dtype of ``x``.
    """
    if not x.size or not taps.outputs or not apply_here(x):
        return _sum_of_taps(x, axis=axis, taps=taps)
    return _sample_p.bind(x, axis=axis, taps=taps)


def _compiled(x: jax.Array, *, axis: int, taps: Taps) -> jax.Array:
    weight = np.ones(taps.index.shape) if taps.weight is None else taps.weight
    return compiled.sample(x, axis, np.where(taps.used, taps.index, -1), weight)


def _sum_of_taps(x: jax.Array, *, axis: int, taps: Taps) -> jax.Array:
    if len(taps.index) > _FEW_TAPS:
        matrix = jnp.asarray(taps.matrix, x.dtype)
        y = jnp.tensordot(x, matrix, ((axis,), (1,)), precision=lax.Precision.HIGHEST)
        return jnp.moveaxis(y, -1, axis).astype(x.dtype)
    along = [-1 if place == axis else 1 for place in range(x.ndim)]
    total = None
    for tap, (index, used) in enumerate(zip(taps.index, taps.used, strict=True)):
        part = jnp.take(x, index, axis=axis, mode="clip")
        if taps.weight is not None:
            part *= jnp.asarray(taps.weight[tap], x.dtype).reshape(along)
        if not used.all():
            # Unused samples may be infinite: they are not multiplied by zero.
            part = jnp.where(used.reshape(along), part, jnp.zeros((), x.dtype))
        total = part if total is None else total + part
    assert total is not None  # there is at least one tap
    # Fused with the next axis's sum, each of that sum's taps would do this one over.
    return lax.optimization_barrier(total) if len(taps.index) > 1 else total


def _abstract(x: Any, *, axis: int, taps: Taps) -> ShapedArray:
    return ShapedArray((*x.shape[:axis], taps.outputs, *x.shape[axis + 1 :]), x.dtype)


def _batched(args: tuple[jax.Array], dims: tuple[int], *, axis: int, taps: Taps) -> tuple[jax.Array, int]:
    return _sample_p.bind(jnp.moveaxis(args[0], dims[0], 0), axis=axis + 1, taps=taps), 0


def _transposed(cotangent: jax.Array, *, axis: int, taps: Taps) -> list[jax.Array]:
    return [sample(cotangent, axis, taps.transpose)]


_sample_p: Any = Primitive("dilax_sample")
_sample_p.def_impl(jax.jit(_sample_p.bind, static_argnames=("axis", "taps")))
_sample_p.def_abstract_eval(_abstract)
mlir.register_lowering(_sample_p, compiled.lowering(_compiled, _sum_of_taps), platform="cpu")
mlir.register_lowering(_sample_p, mlir.lower_fun(_sum_of_taps, multiple_results=False))
batching.primitive_batchers[_sample_p] = _batched
ad.deflinear2(_sample_p, lambda cotangent, _x, **params: _transposed(cotangent, **params))
