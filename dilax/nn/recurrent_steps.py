"""One step of each recurrent layer, as pure functions that layers and cells share."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

State = tuple[jax.Array, ...]
#: ``step(state, from_input, weight_hh, bias_hh)`` gives the next state, whose first array is the output. The weight is
#: transposed, ``(hidden, gates)``, because XLA does not take the transposition out of a loop.
Step = Callable[[State, jax.Array, jax.Array, jax.Array | None], State]


def project(x: jax.Array, weight: jax.Array, bias: jax.Array | None) -> jax.Array:
    """``x`` times a matrix ``(in, out)``, and a bias."""
    y = x @ weight
    return y if bias is None else y + bias


def lstm_step(state: State, from_input: jax.Array, weight_hh: jax.Array, bias_hh: jax.Array | None) -> State:
    """Gates in PyTorch's order: input, forget, cell, output."""
    hidden, cell = state
    gates = from_input + project(hidden, weight_hh, bias_hh)
    enter, forget, new, out = jnp.split(gates, 4, -1)
    cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
    return jax.nn.sigmoid(out) * jnp.tanh(cell), cell


def gru_step(state: State, from_input: jax.Array, weight_hh: jax.Array, bias_hh: jax.Array | None) -> State:
    """Gates in PyTorch's order: reset, update, new; the reset gate multiplies the hidden bias too."""
    (hidden,) = state
    reset, update, new = jnp.split(from_input, 3, -1)
    hidden_reset, hidden_update, hidden_new = jnp.split(project(hidden, weight_hh, bias_hh), 3, -1)
    update = jax.nn.sigmoid(update + hidden_update)
    new = jnp.tanh(new + jax.nn.sigmoid(reset + hidden_reset) * hidden_new)
    return ((1 - update) * new + update * hidden,)


def tanh_step(state: State, from_input: jax.Array, weight_hh: jax.Array, bias_hh: jax.Array | None) -> State:
    """An Elman step with a hyperbolic tangent."""
    return (jnp.tanh(from_input + project(state[0], weight_hh, bias_hh)),)


def relu_step(state: State, from_input: jax.Array, weight_hh: jax.Array, bias_hh: jax.Array | None) -> State:
    """An Elman step with a rectifier."""
    y = from_input + project(state[0], weight_hh, bias_hh)
    return (jnp.where(y <= 0, 0, y),)


ELMAN: dict[str, Step] = {"tanh": tanh_step, "relu": relu_step}


@partial(jax.jit, static_argnames=("step", "reverse"))
def run(
    x: jax.Array,
    weight_ih: jax.Array,
    weight_hh: jax.Array,
    bias_ih: jax.Array | None,
    bias_hh: jax.Array | None,
    weight_hr: jax.Array | None,
    start: State,
    *,
    step: Step,
    reverse: bool,
) -> tuple[jax.Array, State]:
    """All steps of one layer in one direction; compiled once for a layer's shapes, also outside of ``jit``.

    Args:
        x: ``(L, N, in)``.
        weight_ih: ``(gates, in)``.
        weight_hh: ``(gates, out)``.
        bias_ih: ``(gates,)``, or None.
        bias_hh: ``(gates,)``, or None.
        weight_hr: The projection ``(out, hidden)``, or None.
        start: Initial state.
        step: The step.
        reverse: Whether to begin at the end.

    Returns:
        Outputs ``(L, N, out)`` and the last state.
    """
    weight_hh = weight_hh.T

    def body(state: State, from_input: jax.Array) -> tuple[State, jax.Array]:
        state = step(state, from_input, weight_hh, bias_hh)
        if weight_hr is not None:
            state = (project(state[0], weight_hr.T, None), *state[1:])
        return state, state[0]

    # The products with the inputs of all steps are one matrix product.
    end, output = jax.lax.scan(body, start, project(x, weight_ih.T, bias_ih), reverse=reverse)
    return output, end
