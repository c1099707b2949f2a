"""PyTorch's description of an optimizer -> the optax transformation that computes the same updates."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from dilax.errors import DilaxError

from ..files.optimizers import number
from .assignment import named_groups
from .grouping import Part, Schedule, grouped
from .layouts import trainables
from .schedulers import Rate, scheduler_momentum, scheduler_rate
from .torch_optimizer import TorchOptimizer
from .transformations import scale_by_adagrad, scale_by_adam, scale_by_momentum


@dataclass(frozen=True)
class Bucket:
    """Parameters of one group that did equally many steps.

    Attributes:
        label: Its name in the state of the transformation.
        group: Number of the group.
        keys: PyTorch's names of the parameters.
    """

    label: str
    group: int
    keys: tuple[str, ...]


def optax_from_torch(optimizer: TorchOptimizer, model: nnx.Module) -> optax.GradientTransformationExtraArgs:
    """Make the optax transformation that computes PyTorch's updates.

    Args:
        optimizer: The optimizer in PyTorch's words.
        model: The Flax model whose parameters it trains; parameters in no group stay as they are.

    Returns:
        A transformation whose updates carry sign and learning rate, for any tree of the model's parameters:
        ``nnx.state(model, nnx.Param)`` or ``dilax.train.model_arrays(model, nnx.Param)``.

    Raises:
        DilaxError: The scheduler has no closed form.
        MismatchError: The groups do not fit the model.
    """
    groups = named_groups(optimizer.groups, trainables(model))
    return transformation(optimizer, model, [Bucket(str(at), at, tuple(keys)) for at, keys in enumerate(groups)])


def transformation(
    optimizer: TorchOptimizer, model: nnx.Module, buckets: Sequence[Bucket]
) -> optax.GradientTransformationExtraArgs:
    """The transformation over buckets, each with a count of its own."""
    paths = {trainable.key: trainable.paths for trainable in trainables(model)}
    rates, momenta = schedules(optimizer), _momenta(optimizer)
    parts = {}
    for bucket in buckets:
        momentum = momenta[bucket.group]
        direction = _direction(optimizer.kind, optimizer.options[bucket.group], momentum is not None)
        held = tuple(path for key in bucket.keys for path in paths[key])
        parts[bucket.label] = Part(held, direction, rates[bucket.group], momentum)
    return grouped(parts)


def schedules(optimizer: TorchOptimizer) -> tuple[Schedule, ...]:
    """The learning rate of each group by the count of the optimizer's steps."""
    return tuple(_by_steps(rate, optimizer.steps_per_epoch) for rate in scheduled_rates(optimizer))


def scheduled_rates(optimizer: TorchOptimizer) -> list[Rate]:
    """The learning rate of each group by the count of the scheduler's steps."""
    scheduler = optimizer.scheduler
    if scheduler is None:
        return [functools.partial(_constant, float(number(group["lr"]) or 0.0)) for group in optimizer.options]
    bases = scheduler.get("base_lrs")
    if isinstance(bases, Sequence) and len(bases) != len(optimizer.options):
        raise DilaxError(
            f"interop: the scheduler has rates of {len(bases)} groups, the optimizer has {len(optimizer.options)}; "
            "pass a scheduler and an optimizer that belong together."
        )
    return [scheduler_rate(scheduler, group, index) for index, group in enumerate(optimizer.options)]


def scheduled_momenta(optimizer: TorchOptimizer) -> list[Rate | None]:
    """The momentum of each group by the count of the scheduler's steps, None where it is constant."""
    if optimizer.scheduler is None:
        return [None] * len(optimizer.options)
    return [scheduler_momentum(optimizer.scheduler, group) for group in optimizer.options]


def counts_steps(kind: str, options: Mapping[str, Any]) -> bool:
    """Whether an update depends on how many there were before."""
    return kind in ("Adam", "AdamW", "Adagrad") or (
        kind == "SGD" and bool(options["momentum"] and options["dampening"])
    )


def _momenta(optimizer: TorchOptimizer) -> list[Schedule | None]:
    found = scheduled_momenta(optimizer)
    return [None if rate is None else _by_steps(rate, optimizer.steps_per_epoch) for rate in found]


def _constant(value: float, count: Any) -> float:
    return value


def _by_steps(rate: Rate, steps_per_epoch: int) -> Schedule:
    def schedule(count: Any) -> Any:
        value = rate(count // steps_per_epoch)
        return value if isinstance(count, jax.Array) else float(np.asarray(value))

    return schedule


def _direction(kind: str, options: Mapping[str, Any], momentum_varies: bool) -> optax.GradientTransformation:
    """From gradients to the direction of ascent: optax's own parts wherever they compute PyTorch's update."""
    decay, decoupled = options["weight_decay"], bool(options.get("decoupled_weight_decay"))
    decayed = [optax.add_decayed_weights(decay)] if decay else []
    return optax.chain(
        *([optax.scale(-1)] if options["maximize"] else []),
        *([] if decoupled else decayed),
        *_MAKERS[kind](options, momentum_varies),
        *(decayed if decoupled else []),
        optax.identity(),  # a chain holds one part at least
    )


def _sgd(options: Mapping[str, Any], momentum_varies: bool) -> list[optax.GradientTransformation]:
    momentum, dampening, nesterov = options["momentum"], options["dampening"], options["nesterov"]
    if momentum_varies or (momentum and dampening):
        return [scale_by_momentum(momentum, dampening=dampening, nesterov=nesterov)]
    return [optax.trace(momentum, nesterov=nesterov)] if momentum else []


def _adam(options: Mapping[str, Any], momentum_varies: bool) -> list[optax.GradientTransformation]:
    b1, b2 = options["betas"]
    if momentum_varies or options["amsgrad"]:
        return [scale_by_adam(b1, b2, eps=options["eps"], amsgrad=options["amsgrad"])]
    return [optax.scale_by_adam(b1, b2, eps=options["eps"])]


def _rmsprop(options: Mapping[str, Any], momentum_varies: bool) -> list[optax.GradientTransformation]:
    scale = optax.scale_by_stddev if options["centered"] else optax.scale_by_rms
    scaled = scale(options["alpha"], options["eps"], eps_in_sqrt=False)
    if momentum_varies:
        return [scaled, scale_by_momentum(options["momentum"], dampening=0.0, nesterov=False)]
    return [scaled, optax.trace(options["momentum"])] if options["momentum"] else [scaled]


def _adagrad(options: Mapping[str, Any], momentum_varies: bool) -> list[optax.GradientTransformation]:
    initial = options["initial_accumulator_value"]
    return [scale_by_adagrad(initial, eps=options["eps"], lr_decay=options["lr_decay"])]


_MAKERS = {"SGD": _sgd, "Adam": _adam, "AdamW": _adam, "RMSprop": _rmsprop, "Adagrad": _adagrad}
