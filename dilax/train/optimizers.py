"""Optimizers of optax whose learning rate is an input of the step, so that a resumed run can change it."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from ..errors import ArgumentError
from .config import OptimizerConfig


def make_optimizer(config: OptimizerConfig | None = None) -> optax.GradientTransformationExtraArgs:
    """An optimizer that takes its learning rate as an extra argument of ``update``, ``learning_rate``.

    Args:
        config: Which optimizer; AdamW if None. Its learning rate is not used here.

    Returns:
        A transformation whose updates carry sign and learning rate.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019 (adamw); Kingma and Ba, "Adam", 2015;
    Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023 (lion); You et al., "Large Batch Optimization for
    Deep Learning", 2020 (lamb).
    """
    direction = _direction(config or OptimizerConfig())

    def update(grads: Any, state: Any, params: Any = None, *, learning_rate: Any, **_: Any) -> tuple[Any, Any]:
        if learning_rate is None:
            raise ArgumentError("step", "learning_rate", None, "is needed by this optimizer", "pass a number")
        moves, state = direction.update(grads, state, params)
        return jax.tree.map(lambda move: -learning_rate * move, moves), state

    return optax.GradientTransformationExtraArgs(direction.init, update)


def fill_moments(state: Any, moments: Mapping[str, Any]) -> Any:
    """Put what another program's optimizer kept into a new state.

    Args:
        state: What ``init`` of an optimizer of :func:`make_optimizer` gave, for parameters by name.
        moments: ``mu``, ``nu`` and ``trace``, each name of a parameter to array, and the number ``count``.

    Returns:
        The state; parameters without moments begin at zero.
    """

    def filled(path: tuple[Any, ...], leaf: Any) -> Any:
        parts = [str(getattr(part, "name", getattr(part, "key", ""))) for part in path]
        if parts[-1] == "count":
            return jnp.asarray(moments["count"], leaf.dtype)
        kept: Mapping[str, Any] = next((moments[part] for part in parts if part in moments), {})
        return jnp.asarray(kept[parts[-1]], leaf.dtype) if parts[-1] in kept else leaf

    return jax.tree_util.tree_map_with_path(filled, state)


def _direction(config: OptimizerConfig) -> optax.GradientTransformation:
    """From gradients to the direction of ascent."""
    first, second = config.betas
    mask = None if config.decay_vectors else _matrices
    # Also for a decay of 0, so that the state has one form and a resumed run can change the decay.
    decay = optax.add_decayed_weights(config.weight_decay, mask)
    scale = {
        "adamw": [optax.scale_by_adam(first, second), decay],
        "adam": [decay, optax.scale_by_adam(first, second)],
        "sgd": [decay, optax.trace(config.momentum, nesterov=config.nesterov)],
        "rmsprop": [decay, optax.scale_by_rms(0.99, 1e-8, eps_in_sqrt=False), optax.trace(config.momentum)],
        "lion": [optax.scale_by_lion(first, second), decay],
        "lamb": [optax.scale_by_adam(first, second, eps=1e-6), decay, optax.scale_by_trust_ratio()],
    }
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    return optax.chain(*clip, *scale[config.name])


def _matrices(parameters: Any) -> Any:
    """Which parameters have more than one axis."""
    return jax.tree.map(lambda array: array.ndim > 1, parameters)
