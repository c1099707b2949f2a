"""Recurrent layers over sequences."""

import math
from collections.abc import Iterator
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import is_integer, one_of
from .checks import last_axis, positive, share, stream
from .dropout import dropout as drop
from .dtypes import promote
from .initial import uniform
from .recurrent_steps import ELMAN, State, Step, gru_step, lstm_step, run


class _Recurrent(nnx.Module):
    """What LSTM, GRU and RNN share: parameters by layer and direction, and the loops."""

    gates: int  # rows of a weight, in hidden sizes
    states: int = 1  # arrays of a state

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        dtype: Any,
        compute_dtype: Any,
        rngs: nnx.Rngs,
    ) -> None:
        name = type(self).__name__
        positive(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        share(name, "dropout", dropout)
        stream(name, rngs, "params")
        if not is_integer(proj_size) or not 0 <= proj_size < hidden_size:
            raise ArgumentError(
                name, "proj_size", proj_size, f"is not from 0 to below hidden_size={hidden_size}",
                "pass a smaller size, or 0 for none",
            )  # fmt: skip
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.proj_size, self.compute_dtype = proj_size, compute_dtype
        self.deterministic = False
        rows, bound = self.gates * hidden_size, 1 / math.sqrt(hidden_size)
        out_size = proj_size or hidden_size
        for layer, suffix in self._runs():
            in_size = out_size * (2 if bidirectional else 1) if layer else input_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, in_size), "weight_hh": (rows, out_size)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for parameter, shape in shapes.items():
                setattr(self, f"{parameter}_{suffix}", nnx.Param(uniform(rngs, shape, dtype, bound)))
        self.rngs = stream(name, rngs, "dropout").fork() if dropout else None

    def _runs(self) -> Iterator[tuple[int, str]]:
        """Each layer and direction, with the end of its parameters' names, in PyTorch's order."""
        for layer in range(self.num_layers):
            yield layer, f"l{layer}"
            if self.bidirectional:
                yield layer, f"l{layer}_reverse"

    def _step(self) -> Step:
        raise NotImplementedError

    def _call(self, x: jax.Array, initial: tuple[jax.Array, ...] | None) -> tuple[jax.Array, State]:
        """Outputs of the last layer and the last states of all, for one sequence or a batch."""
        name = type(self).__name__
        if x.ndim not in (2, 3):
            raise ArgumentError(name, "x", x.shape, "has not 2 or 3 axes", "pass (L, input_size) or a batch of them")
        last_axis(name, x, self.input_size, "input_size")
        batched, swapped = x.ndim == 3, x.ndim == 3 and self.batch_first
        x = jnp.swapaxes(x, 0, 1) if swapped else x if batched else x[:, None]
        start = self._initial(x, initial, batched)
        ends: list[State] = []
        runs = list(self._runs())
        for layer in range(self.num_layers):
            outputs = []
            for index, (_, suffix) in enumerate(runs):
                if runs[index][0] == layer:
                    output, end = self._scan(x, tuple(state[index] for state in start), suffix)
                    outputs.append(output)
                    ends.append(end)
            x = jnp.concatenate(outputs, -1)
            if self.rngs is not None and not self.deterministic and layer < self.num_layers - 1:
                x = drop(x, self.rngs, self.dropout)
        x = jnp.swapaxes(x, 0, 1) if swapped else x if batched else x[:, 0]
        last = tuple(jnp.stack(states) for states in zip(*ends, strict=True))
        return x, last if batched else tuple(state[:, 0] for state in last)

    def _initial(self, x: jax.Array, given: tuple[jax.Array, ...] | None, batched: bool) -> State:
        """Initial states ``(layers and directions, N, size)``, zeros if none are given."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[: self.states]
        shapes = [(count, x.shape[1], size) for size in sizes]
        if given is None:
            return tuple(jnp.zeros(shape, x.dtype) for shape in shapes)
        states = tuple(state if batched else state[:, None] for state in given)
        for state, shape in zip(states, shapes, strict=True):
            if state.shape != shape:
                raise ArgumentError(
                    type(self).__name__, "hx", state.shape, f"is not {shape}",
                    "pass states of (num_layers * directions, N, size), or none for zeros",
                )  # fmt: skip
        return states

    def _scan(self, x: jax.Array, start: State, suffix: str) -> tuple[jax.Array, State]:
        """One layer in one direction over ``(L, N, in)``."""

        def parameter(kind: str) -> jax.Array | None:
            held = getattr(self, f"{kind}_{suffix}", None)
            return None if held is None else held[...]

        x, *arrays = promote(
            self.compute_dtype,
            x,
            *map(parameter, ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")),
            *start,
        )
        return run(x, *arrays[:5], tuple(arrays[5:]), step=self._step(), reverse=suffix.endswith("reverse"))


class LSTM(_Recurrent):
    """Long short-term memory, with the semantics of ``torch.nn.LSTM``.

    Args:
        input_size: Entries of each step.
        hidden_size: Entries of the state.
        num_layers: Layers, each over the outputs of the one before.
        bias: Whether there are biases.
        batch_first: Whether sequences are ``(N, L, input_size)`` instead of ``(L, N, input_size)``.
        dropout: Share of the outputs of each layer but the last that is dropped in training.
        bidirectional: Whether each layer also runs backwards, its outputs after the others.
        proj_size: Entries of the projected output, or 0 for no projection.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and parameters.
        rngs: Where initial values and masks come from.

    Attributes:
        weight_ih_l0: ``(4 * hidden_size, input_size)`` in PyTorch's layout, and alike ``weight_hh_l0``, ``bias_ih_l0``,
            ``bias_hh_l0``, ``weight_hr_l0``, for each layer, with ``_reverse`` for the other direction.

    Raises:
        ArgumentError: A size is out of range, or the shapes of inputs and states do not belong together.

    Differs from PyTorch: sequences of one batch have one length.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997.
    """

    gates = 4
    states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers=num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=proj_size, dtype=dtype, compute_dtype=compute_dtype, rngs=rngs,
        )  # fmt: skip

    def _step(self) -> Step:
        return lstm_step

    def __call__(
        self, x: jax.Array, hx: tuple[jax.Array, jax.Array] | None = None
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        """Run over sequences.

        Args:
            x: ``(L, N, input_size)``, ``(N, L, input_size)`` if ``batch_first``, or ``(L, input_size)``.
            hx: Initial hidden and cell state, each ``(num_layers * directions, N, size)``; zeros if None.

        Returns:
            The outputs of the last layer, and the hidden and cell states after the last step.
        """
        output, (hidden, cell) = self._call(x, hx)
        return output, (hidden, cell)


class GRU(_Recurrent):
    """Gated recurrent units, with the semantics of ``torch.nn.GRU``, whose reset gate multiplies the hidden bias too.

    Args:
        input_size: Entries of each step.
        hidden_size: Entries of the state.
        num_layers: Layers, each over the outputs of the one before.
        bias: Whether there are biases.
        batch_first: Whether sequences are ``(N, L, input_size)`` instead of ``(L, N, input_size)``.
        dropout: Share of the outputs of each layer but the last that is dropped in training.
        bidirectional: Whether each layer also runs backwards, its outputs after the others.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and parameters.
        rngs: Where initial values and masks come from.

    Attributes:
        weight_ih_l0: ``(3 * hidden_size, input_size)`` in PyTorch's layout, and alike ``weight_hh_l0``, ``bias_ih_l0``
            and ``bias_hh_l0``, for each layer, with ``_reverse`` for the other direction.

    Raises:
        ArgumentError: A size is out of range, or the shapes of inputs and states do not belong together.

    Differs from PyTorch: sequences of one batch have one length. Differs from ``flax.nnx.GRUCell``: has ``bias_hh``.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers=num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=0, dtype=dtype, compute_dtype=compute_dtype, rngs=rngs,
        )  # fmt: skip

    def _step(self) -> Step:
        return gru_step

    def __call__(self, x: jax.Array, hx: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Run over sequences.

        Args:
            x: ``(L, N, input_size)``, ``(N, L, input_size)`` if ``batch_first``, or ``(L, input_size)``.
            hx: Initial state, ``(num_layers * directions, N, hidden_size)``; zeros if None.

        Returns:
            The outputs of the last layer, and the state after the last step.
        """
        output, (hidden,) = self._call(x, None if hx is None else (hx,))
        return output, hidden


class RNN(_Recurrent):
    """An Elman network, with the semantics of ``torch.nn.RNN``.

    Args:
        input_size: Entries of each step.
        hidden_size: Entries of the state.
        num_layers: Layers, each over the outputs of the one before.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: Whether there are biases.
        batch_first: Whether sequences are ``(N, L, input_size)`` instead of ``(L, N, input_size)``.
        dropout: Share of the outputs of each layer but the last that is dropped in training.
        bidirectional: Whether each layer also runs backwards, its outputs after the others.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds input and parameters.
        rngs: Where initial values and masks come from.

    Attributes:
        weight_ih_l0: ``(hidden_size, input_size)`` in PyTorch's layout, and alike ``weight_hh_l0``, ``bias_ih_l0`` and
            ``bias_hh_l0``, for each layer, with ``_reverse`` for the other direction.

    Raises:
        ArgumentError: An argument is out of range, or the shapes of inputs and states do not belong together.

    Differs from PyTorch: sequences of one batch have one length.

    Source: Elman, "Finding Structure in Time", 1990.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        one_of("RNN", "nonlinearity", nonlinearity, ELMAN)
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, num_layers=num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=0, dtype=dtype, compute_dtype=compute_dtype, rngs=rngs,
        )  # fmt: skip

    def _step(self) -> Step:
        return ELMAN[self.nonlinearity]

    def __call__(self, x: jax.Array, hx: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Run over sequences.

        Args:
            x: ``(L, N, input_size)``, ``(N, L, input_size)`` if ``batch_first``, or ``(L, input_size)``.
            hx: Initial state, ``(num_layers * directions, N, hidden_size)``; zeros if None.

        Returns:
            The outputs of the last layer, and the state after the last step.
        """
        output, (hidden,) = self._call(x, None if hx is None else (hx,))
        return output, hidden
