"""Updates of PyTorch's optimizers that no transformation of optax computes.

Each gives the direction of ascent; sign and learning rate come later. A ``momentum`` among the extra arguments takes
the place of the constant one, for schedulers that change it on the way.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class MomentumState(NamedTuple):
    """State of :func:`scale_by_momentum`.

    Args:
        count: Steps done; int32, 0-d.
        trace: The velocity.
    """

    count: Any
    trace: Any


def scale_by_momentum(momentum: float, *, dampening: float, nesterov: bool) -> optax.GradientTransformationExtraArgs:
    """Momentum whose new gradient is dampened, except for the first: ``b = momentum b + (1 - dampening) g``.

    Differs from ``optax.trace`` in the dampening, and in that the momentum may change.
    """
    initial = momentum

    def init(params: Any) -> MomentumState:
        return MomentumState(jnp.zeros([], jnp.int32), optax.tree.zeros_like(params))

    def update(
        updates: Any, state: MomentumState, params: Any = None, *, momentum: Any = initial, **_: Any
    ) -> tuple[Any, MomentumState]:
        share = jnp.where(state.count == 0, 1.0, 1.0 - dampening)
        trace = jax.tree.map(lambda g, b: _like(g, momentum) * b + _like(g, share) * g, updates, state.trace)
        moved = jax.tree.map(lambda g, b: g + _like(g, momentum) * b, updates, trace) if nesterov else trace
        return moved, MomentumState(state.count + 1, trace)

    return optax.GradientTransformationExtraArgs(init, update)


class AdamState(NamedTuple):
    """State of :func:`scale_by_adam`.

    Args:
        count: Steps done; int32, 0-d.
        mu: Mean of the gradients.
        nu: Mean of their squares.
        max_nu: Greatest ``nu`` so far; ``()`` without AMSGrad.
    """

    count: Any
    mu: Any
    nu: Any
    max_nu: Any


def scale_by_adam(b1: float, b2: float, *, eps: float, amsgrad: bool) -> optax.GradientTransformationExtraArgs:
    """Adam with PyTorch's AMSGrad, and with a first coefficient that may change.

    Differs from ``optax.scale_by_amsgrad``, which takes the maximum of the moments after the correction of their bias.
    """

    def init(params: Any) -> AdamState:
        zeros = optax.tree.zeros_like
        return AdamState(jnp.zeros([], jnp.int32), zeros(params), zeros(params), zeros(params) if amsgrad else ())

    def update(
        updates: Any, state: AdamState, params: Any = None, *, momentum: Any = b1, **_: Any
    ) -> tuple[Any, AdamState]:
        count = state.count + 1
        mu = jax.tree.map(lambda g, m: m + _like(g, 1 - momentum) * (g - m), updates, state.mu)
        nu = jax.tree.map(lambda g, v: b2 * v + (1 - b2) * g**2, updates, state.nu)
        max_nu = jax.tree.map(jnp.maximum, state.max_nu, nu) if amsgrad else ()
        first, second = 1 - momentum**count, 1 - b2**count

        def direction(m: Any, v: Any) -> Any:
            return m / _like(m, first) / (jnp.sqrt(v) / jnp.sqrt(_like(v, second)) + eps)

        return jax.tree.map(direction, mu, max_nu if amsgrad else nu), AdamState(count, mu, nu, max_nu)

    return optax.GradientTransformationExtraArgs(init, update)


class AdagradState(NamedTuple):
    """State of :func:`scale_by_adagrad`.

    Args:
        count: Steps done; int32, 0-d.
        sum_of_squares: Of all gradients.
    """

    count: Any
    sum_of_squares: Any


def scale_by_adagrad(initial: float, *, eps: float, lr_decay: float) -> optax.GradientTransformation:
    """Adagrad whose rate decays with the steps.

    Differs from ``optax.scale_by_rss`` in the decay, and in that ``eps`` is added to the root and not below it.
    """

    def init(params: Any) -> AdagradState:
        return AdagradState(jnp.zeros([], jnp.int32), optax.tree.full_like(params, initial))

    def update(updates: Any, state: AdagradState, params: Any = None) -> tuple[Any, AdagradState]:
        sums = jax.tree.map(lambda g, s: s + g**2, updates, state.sum_of_squares)
        decay = 1 / (1 + state.count * lr_decay)
        moved = jax.tree.map(lambda g, s: _like(g, decay) * g / (jnp.sqrt(s) + eps), updates, sums)
        return moved, AdagradState(state.count + 1, sums)

    return optax.GradientTransformation(init, update)


def _like(array: Any, number: Any) -> Any:
    """A number in the dtype of an array: without it float64 or float32 would spread to a narrower array."""
    return jnp.asarray(number, array.dtype)
