"""A model, an optax state and its place in the schedule -> a training checkpoint that PyTorch goes on with."""

import os
from typing import Any

import numpy as np
from flax import nnx

from dilax.errors import ArgumentError, MismatchError

from ..files import write
from ..saving import state_dict
from .assignment import named_groups
from .building import counts_steps, scheduled_momenta, scheduled_rates
from .layouts import keeps_order, to_torch, trainables
from .moments import Moments, collect, needed_moments
from .schedulers import advanced
from .torch_optimizer import TorchOptimizer


def save_torch_checkpoint(
    path: str | os.PathLike[str],
    model: nnx.Module,
    state: Any,
    *,
    optimizer: TorchOptimizer,
    step: int | None = None,
    epoch: int | None = None,
) -> None:
    """Write a training checkpoint: ``model``, ``optimizer``, and where there are any, ``scheduler`` and ``epoch``.

    ``load_state_dict`` of PyTorch's model, optimizer and scheduler take what is under these keys.

    Args:
        path: The file to write; it appears complete or not at all.
        model: The model with its present parameters.
        state: The optimizer's state: what :func:`resume_torch` gave after further updates, or that of ``optax.sgd``,
            ``adam``, ``adamw``, ``rmsprop`` or ``adagrad``, alone, in a chain, a partition, or an ``nnx.Optimizer``
            (its ``opt_state``).
        optimizer: The optimizer in PyTorch's words: ``resumed.torch_optimizer``, or one with the options that were
            given to optax, which its state does not hold.
        step: Steps done, where the state does not count them.
        epoch: To be written as ``epoch``.

    Differs from PyTorch: ``optax.rmsprop`` and ``optax.adagrad`` add ``eps`` below the root unless told otherwise,
    which no option of PyTorch's does; the state is exact, the next updates differ by that.

    Raises:
        DilaxError: The state is not that of such an optimizer.
        ArgumentError: ``step`` is needed.
        FileError: The file cannot be written.
    """
    moments = collect(optimizer.kind, state)
    done = _steps_done(optimizer, moments, step)
    saved = _optimizer_state(optimizer, moments, model, done)
    checkpoint: dict[str, Any] = {"model": state_dict(model), "optimizer": saved}
    if optimizer.scheduler is not None:
        described = {"base_lrs": [group["initial_lr"] for group in saved["param_groups"]], **optimizer.scheduler}
        moved = done // optimizer.steps_per_epoch
        checkpoint["scheduler"] = advanced(described, moved, scheduled_rates(optimizer))
    if epoch is not None:
        checkpoint["epoch"] = epoch
    write(path, checkpoint, format="torch")


def _steps_done(optimizer: TorchOptimizer, moments: Moments, given: int | None) -> int:
    if given is not None:
        return given
    counted = moments.steps or list(moments.counts.values())
    if not counted and (optimizer.scheduler is not None or optimizer.kind != "SGD"):
        raise ArgumentError(
            "save_torch_checkpoint", "step", None, "is not in the optimizer's state either", "pass the steps done"
        )
    return max(counted, default=0)


def _optimizer_state(optimizer: TorchOptimizer, moments: Moments, model: nnx.Module, done: int) -> dict[str, Any]:
    trained = trainables(model)
    arrays = {name: to_torch(model, found) for name, found in moments.arrays.items()}
    counts = {one.key: max((moments.counts.get(path, done) for path in one.paths), default=done) for one in trained}
    state: dict[int, dict[str, Any]] = {}
    groups: list[dict[str, Any]] = []
    problems: list[str] = []
    first = 0
    _check_order(optimizer, model, [one.key for one in trained])
    for keys, options in zip(named_groups(optimizer.groups, trained), _present_options(optimizer, done), strict=True):
        numbers = list(range(first, first + len(keys)))
        first += len(keys)
        groups.append({**options, "params": numbers, "param_names": keys})
        needed = needed_moments(optimizer.kind, options)
        for number, key in zip(numbers, keys, strict=True):
            kept = {name: arrays[name][key] for name in needed if key in arrays.get(name, {})}
            problems += [f"{key}: no {name}" for name in needed if name not in kept]
            begun = optimizer.kind == "Adagrad" or not counts_steps(optimizer.kind, options) or counts[key] > 0
            if moments.late and "momentum_buffer" in kept:  # optax's velocity has sign and rate in it
                kept["momentum_buffer"] = kept["momentum_buffer"] / -options["lr"]
            if optimizer.kind != "SGD":
                kept["step"] = np.asarray(counts[key], np.float32)
            if begun and kept:
                state[number] = kept
    if problems:
        raise MismatchError(
            "save_torch_checkpoint", f"the state is not that of the {optimizer.kind} described", problems,
            "describe the optimizer that the state belongs to",
        )  # fmt: skip
    return {"state": state, "param_groups": groups}


def _check_order(optimizer: TorchOptimizer, model: nnx.Module, keys: list[str]) -> None:
    """PyTorch numbers the parameters of a group in an order that the model itself must tell if the keys do not."""
    named = optimizer.groups is not None and all(key in keys for group in optimizer.groups for key in group)
    if not named and not keeps_order(model):
        raise ArgumentError(
            "save_torch_checkpoint", "groups", optimizer.groups,
            "leaves PyTorch's order of the parameters to the model, whose attributes nnx.jit, nnx.merge or a copy "
            "sorted",
            "give the TorchOptimizer groups of keys in PyTorch's order, e.g. "
            "[[name for name, _ in module.named_parameters()]]",
        )  # fmt: skip


def _present_options(optimizer: TorchOptimizer, done: int) -> list[dict[str, Any]]:
    """Options of each group with the rate and the momentum that the scheduler gives after ``done`` steps."""
    count = done // optimizer.steps_per_epoch
    present = []
    for options, rate, momentum in zip(
        optimizer.options, scheduled_rates(optimizer), scheduled_momenta(optimizer), strict=True
    ):
        new = {**options, "lr": float(rate(count))}
        if optimizer.scheduler is not None:
            new.setdefault("initial_lr", options["lr"])
        if momentum is not None and "betas" in options:
            new["betas"] = (float(momentum(count)), options["betas"][1])
        elif momentum is not None:
            new["momentum"] = float(momentum(count))
        present.append(new)
    return present
