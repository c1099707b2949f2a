"""Single steps of recurrent layers as layers."""

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import one_of
from .checks import last_axis, positive, stream
from .dtypes import promote
from .initial import uniform
from .recurrent_steps import ELMAN, State, Step, gru_step, lstm_step, project


class _Cell(nnx.Module):
    """What the cells share: four parameters and the products with them."""

    gates: int  # rows of a weight, in hidden sizes

    def __init__(
        self, input_size: int, hidden_size: int, *, bias: bool, dtype: Any, compute_dtype: Any, rngs: nnx.Rngs
    ) -> None:
        positive(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        stream(type(self).__name__, rngs, "params")
        self.input_size, self.hidden_size, self.compute_dtype = input_size, hidden_size, compute_dtype
        rows, bound = self.gates * hidden_size, 1 / math.sqrt(hidden_size)
        self.weight_ih = nnx.Param(uniform(rngs, (rows, input_size), dtype, bound))
        self.weight_hh = nnx.Param(uniform(rngs, (rows, hidden_size), dtype, bound))
        self.bias_ih = nnx.Param(uniform(rngs, (rows,), dtype, bound)) if bias else None
        self.bias_hh = nnx.Param(uniform(rngs, (rows,), dtype, bound)) if bias else None

    def _next(self, step: Step, x: jax.Array, states: tuple[jax.Array | None, ...]) -> State:
        last_axis(type(self).__name__, x, self.input_size, "input_size")
        shape = (*x.shape[:-1], self.hidden_size)
        given = tuple(jnp.zeros(shape, x.dtype) if state is None else state for state in states)
        for state in given:
            if state.shape != shape:
                raise ArgumentError(
                    type(self).__name__, "hx", state.shape, f"is not {shape}",
                    "pass a state for each sample, or none for zeros",
                )  # fmt: skip
        biases = [None if bias is None else bias[...] for bias in (self.bias_ih, self.bias_hh)]
        x, weight_ih, weight_hh, bias_ih, bias_hh, *arrays = promote(
            self.compute_dtype, x, self.weight_ih[...], self.weight_hh[...], *biases, *given
        )
        return step(tuple(arrays), project(x, weight_ih.T, bias_ih), weight_hh.T, bias_hh)


class LSTMCell(_Cell):
    """One step of an :class:`LSTM`.

    Args:
        input_size: Entries of the input.
        hidden_size: Entries of the state.
        bias: Whether there are biases.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input, state and parameters.
        rngs: Where the initial values come from.

    Attributes:
        weight_ih: ``(4 * hidden_size, input_size)`` in PyTorch's layout.
        weight_hh: ``(4 * hidden_size, hidden_size)``.
        bias_ih: ``(4 * hidden_size,)``, or None.
        bias_hh: ``(4 * hidden_size,)``, or None.

    Raises:
        ArgumentError: A size is below 1, or the shapes of input and state do not belong together.
    """

    gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, compute_dtype=compute_dtype, rngs=rngs)

    def __call__(self, x: jax.Array, hx: tuple[jax.Array, jax.Array] | None = None) -> tuple[jax.Array, jax.Array]:
        """Map ``(N, input_size)`` or ``(input_size,)`` and the hidden and cell state to the next ones."""
        hidden, cell = self._next(lstm_step, x, (None, None) if hx is None else hx)
        return hidden, cell


class GRUCell(_Cell):
    """One step of a :class:`GRU`.

    Args:
        input_size: Entries of the input.
        hidden_size: Entries of the state.
        bias: Whether there are biases.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input, state and parameters.
        rngs: Where the initial values come from.

    Attributes:
        weight_ih: ``(3 * hidden_size, input_size)`` in PyTorch's layout.
        weight_hh: ``(3 * hidden_size, hidden_size)``.
        bias_ih: ``(3 * hidden_size,)``, or None.
        bias_hh: ``(3 * hidden_size,)``, or None.

    Raises:
        ArgumentError: A size is below 1, or the shapes of input and state do not belong together.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, compute_dtype=compute_dtype, rngs=rngs)

    def __call__(self, x: jax.Array, hx: jax.Array | None = None) -> jax.Array:
        """Map ``(N, input_size)`` or ``(input_size,)`` and the state to the next state."""
        return self._next(gru_step, x, (hx,))[0]


class RNNCell(_Cell):
    """One step of an :class:`RNN`.

    Args:
        input_size: Entries of the input.
        hidden_size: Entries of the state.
        bias: Whether there are biases.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input, state and parameters.
        rngs: Where the initial values come from.

    Attributes:
        weight_ih: ``(hidden_size, input_size)`` in PyTorch's layout.
        weight_hh: ``(hidden_size, hidden_size)``.
        bias_ih: ``(hidden_size,)``, or None.
        bias_hh: ``(hidden_size,)``, or None.

    Raises:
        ArgumentError: An argument is out of range, or the shapes of input and state do not belong together.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        one_of("RNNCell", "nonlinearity", nonlinearity, ELMAN)
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, compute_dtype=compute_dtype, rngs=rngs)

    def __call__(self, x: jax.Array, hx: jax.Array | None = None) -> jax.Array:
        """Map ``(N, input_size)`` or ``(input_size,)`` and the state to the next state."""
        return self._next(ELMAN[self.nonlinearity], x, (hx,))[0]
