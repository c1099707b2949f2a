"""Groups of parameters, each with a direction, a learning rate and perhaps a momentum of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dilax.errors import MismatchError

from .named import named_leaves

#: From the count of steps done to a learning rate or a momentum; a plain int gives a float in double precision.
Schedule = Callable[[Any], Any]


@dataclass(frozen=True)
class Part:
    """Parameters that are updated alike.

    Attributes:
        paths: Their paths in the Flax model.
        direction: From gradients to the direction of the step, as it is before sign and rate.
        rate: The learning rate of each step.
        momentum: What the direction gets as ``momentum``; None where it is constant.
    """

    paths: tuple[str, ...]
    direction: optax.GradientTransformation
    rate: Schedule
    momentum: Schedule | None = None


class GroupedState(NamedTuple):
    """State of :func:`grouped`; it names parameters by path, so it is the same for every form of parameter tree.

    Args:
        step: Steps done; int32, 0-d.
        parts: State of each part's direction, over a dictionary of its arrays.
    """

    step: Any
    parts: dict[str, Any]


def grouped(parts: Mapping[str, Part]) -> optax.GradientTransformationExtraArgs:
    """Update each part by its own rule; parameters in none stay as they are.

    Differs from ``optax.partition`` in its state, which does not depend on the form of the tree of parameters, and in
    counting steps once.
    """
    directions = {label: optax.with_extra_args_support(part.direction) for label, part in parts.items()}

    def init(params: Any) -> GroupedState:
        leaves, _ = named_leaves(params)
        missing = [f"missing: {path}" for part in parts.values() for path in part.paths if path not in leaves]
        if missing:
            raise MismatchError(
                "init", "the tree of parameters lacks some that the optimizer trains", missing,
                "pass nnx.state(model, nnx.Param) or model_arrays(model, nnx.Param)",
            )  # fmt: skip
        states = {label: directions[label].init(_pick(leaves, part)) for label, part in parts.items()}
        return GroupedState(jnp.zeros([], jnp.int32), states)

    def update(updates: Any, state: GroupedState, params: Any = None, **_: Any) -> tuple[Any, GroupedState]:
        leaves, structure = named_leaves(updates)
        values = None if params is None else named_leaves(params)[0]
        moved, states = {name: jnp.zeros_like(leaf) for name, leaf in leaves.items()}, {}
        for label, part in parts.items():
            extra = {} if part.momentum is None else {"momentum": part.momentum(state.step)}
            ours = None if values is None else _pick(values, part)
            direction, states[label] = directions[label].update(_pick(leaves, part), state.parts[label], ours, **extra)
            rate = part.rate(state.step)
            moved |= {name: -jnp.asarray(rate, array.dtype) * array for name, array in direction.items()}
        return jax.tree.unflatten(structure, list(moved.values())), GroupedState(state.step + 1, states)

    return optax.GradientTransformationExtraArgs(init, update)


def _pick(leaves: Mapping[str, Any], part: Part) -> dict[str, Any]:
    return {path: leaves[path] for path in part.paths}
