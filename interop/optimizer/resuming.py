"""A training checkpoint of PyTorch -> a model, an optax optimizer and its state that go on where it stopped."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optax
from flax import nnx

from dilax.errors import ArgumentError, MismatchError
from dilax.train import model_arrays

from ..files import Checkpoint, read
from ..files.optimizers import scheduler_count, scheduler_kind
from ..loading import LoadReport, load
from ..loading_names import Rename, agree
from ..loading_wrappers import find
from ..rules import entries
from .building import Bucket, counts_steps, scheduled_rates, schedules, transformation
from .grouping import GroupedState, Schedule
from .layouts import to_flax
from .moments import fill
from .reading import Saved, read_optimizer
from .torch_optimizer import TorchOptimizer

# The rate in the optimizer and that of the scheduler's closed form differ by rounding alone.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ResumeReport:
    """What :func:`resume_torch` recognised.

    Attributes:
        model: What was loaded.
        optimizer: A sentence about the optimizer.
        scheduler: A sentence about the scheduler.
        notes: Sentences about what begins anew or was not used.
    """

    model: LoadReport
    optimizer: str
    scheduler: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([str(self.model), self.optimizer, self.scheduler, *self.notes])


@dataclass(frozen=True)
class ResumedTraining:
    """What training goes on with.

    Attributes:
        optimizer: The optax transformation; its updates carry sign and learning rate.
        state: Its state. It names parameters by path, so it serves every form of parameter tree:
            ``nnx.state(model, nnx.Param)`` as well as ``dilax.train.model_arrays(model, nnx.Param)``; an
            ``nnx.Optimizer`` takes it by ``nnx.update(optimizer.opt_state, nnx.state(resumed.state))``.
        schedules: The learning rate of each group by the count of steps.
        step: Steps done; 0 where neither the optimizer nor a scheduler counted any.
        epoch: The checkpoint's, or None.
        torch_optimizer: The optimizer in PyTorch's words; :func:`save_torch_checkpoint` asks for it.
        report: What was recognised.
    """

    optimizer: optax.GradientTransformationExtraArgs
    state: GroupedState
    schedules: tuple[Schedule, ...]
    step: int
    epoch: int | None
    torch_optimizer: TorchOptimizer
    report: ResumeReport


def resume_torch(
    checkpoint: str | os.PathLike[str] | Mapping[str, Any],
    model: nnx.Module,
    *,
    rename: Rename | None = None,
    steps_per_epoch: int | None = None,
    groups: Sequence[Sequence[str]] | None = None,
    kind: str | None = None,
    step: int | None = None,
) -> ResumedTraining:
    """Take up a training run where PyTorch stopped; the file is read without PyTorch.

    Args:
        checkpoint: A training checkpoint, such as ``{"model": …, "optimizer": …, "scheduler": …, "epoch": …}``, or its
            path.
        model: The Flax model; it is filled as by :func:`interop.load`.
        rename: As for :func:`interop.load`.
        steps_per_epoch: Steps of the optimizer for one ``scheduler.step()``: 1 where the scheduler moves with every
            step. Needed if there is a scheduler.
        groups: Keys of each group's parameters, or patterns of them, in the order of PyTorch's groups. Needed where the
            checkpoint has no ``param_names`` and the shapes do not tell the parameters of several groups.
        kind: ``"Adam"`` or ``"AdamW"``, where an old checkpoint does not tell them apart.
        step: Steps done, where the optimizer did not count them, or skipped some that the scheduler counted.

    Returns:
        Optimizer, state and schedules, with a report.

    Raises:
        DilaxError: There is no optimizer, or it or its scheduler has no equal in JAX.
        MismatchError: Parameters, groups or rates disagree; all differences are listed. The model is as it was.
        FileError: The file cannot be read.
    """
    held = checkpoint if isinstance(checkpoint, Mapping) else read(checkpoint)
    root = held.root if isinstance(held, Checkpoint) else held
    known = {key for entry in entries(model) for key in (*entry.keys, *entry.older)}
    names = agree("resume_torch", find("resume_torch", held).arrays, known, rename=rename, ignore=())
    keys = {source: key for key, source in names.source.items()}
    saved = read_optimizer(root, model, keys, groups=groups, steps_per_epoch=steps_per_epoch, kind=kind)
    done = _steps_done(saved, step)
    _compare_rates(saved.optimizer)
    buckets = _buckets(saved)
    optimizer = transformation(saved.optimizer, model, buckets)
    state = fill(
        saved.optimizer.kind,
        optimizer.init(model_arrays(model, nnx.Param)),
        {name: to_flax(model, arrays) for name, arrays in saved.moments.items()},
        {bucket.label: saved.counts[bucket.keys[0]] for bucket in buckets},
        done,
    )
    loaded = load(model, held, rename=rename)
    epoch = held.get("epoch")
    return ResumedTraining(
        optimizer,
        state,
        schedules(saved.optimizer),
        done,
        epoch if type(epoch) is int else None,
        saved.optimizer,
        _report(saved, loaded, done),
    )


def _steps_done(saved: Saved, given: int | None) -> int:
    scheduler, every = saved.optimizer.scheduler, saved.optimizer.steps_per_epoch
    counted = 0 if saved.optimizer.kind == "SGD" else max(saved.counts.values(), default=0)
    if scheduler is None:
        return counted if given is None else given
    moved = scheduler_count(scheduler) or 0
    if given is None and saved.optimizer.kind == "SGD":
        return moved * every
    done = counted if given is None else given
    if done // every == moved:
        return done
    if given is not None:
        raise ArgumentError(
            "resume_torch", "step", given, f"is not the {moved} x {every} steps that the scheduler moved over",
            f"pass a step from {moved * every} to {moved * every + every - 1}, or another steps_per_epoch",
        )  # fmt: skip
    raise ArgumentError(
        "resume_torch", "steps_per_epoch", every,
        f"does not fit: the optimizer did {done} steps, and the scheduler moved {moved} times",
        f"pass the right one, or step={moved * every} if the optimizer skipped steps",
    )  # fmt: skip


def _compare_rates(optimizer: TorchOptimizer) -> None:
    """See whether the optimizer has the rates that its scheduler gives it, or somebody changed them by hand."""
    if optimizer.scheduler is None:
        return
    count = scheduler_count(optimizer.scheduler) or 0
    problems = []
    for index, (rate, group) in enumerate(zip(scheduled_rates(optimizer), optimizer.options, strict=True)):
        expected = float(rate(count))
        if abs(expected - group["lr"]) > _ROUNDING * max(abs(expected), abs(group["lr"])):
            problems.append(f"group {index}: lr={group['lr']:.6g}, the scheduler's {expected:.6g}")
    if problems:
        raise MismatchError(
            "resume_torch", f"the optimizer has not the rates of its {scheduler_kind(optimizer.scheduler)}", problems,
            "pass the checkpoint without the scheduler to go on at the optimizer's rates",
        )  # fmt: skip


def _buckets(saved: Saved) -> list[Bucket]:
    """The groups, divided where parameters did different numbers of steps and these enter the update."""
    buckets = []
    for index, (keys, options) in enumerate(zip(saved.optimizer.groups or (), saved.optimizer.options, strict=True)):
        apart: dict[int, list[str]] = {}
        for key in keys:
            count = saved.counts[key] if counts_steps(saved.optimizer.kind, options) else 0
            apart.setdefault(count, []).append(key)
        buckets += [
            Bucket(str(index) if len(apart) == 1 else f"{index}, {count} steps", index, tuple(own))
            for count, own in apart.items()
        ]
    return buckets


def _report(saved: Saved, loaded: LoadReport, done: int) -> ResumeReport:
    optimizer, notes = saved.optimizer, []
    kept = {key for arrays in saved.moments.values() for key in arrays}
    bare = [key for key in saved.counts if key not in kept]
    if bare and kept:
        notes.append(
            f"no state of {', '.join(bare)}: PyTorch never had their gradients, and their moments begin at zero; "
            "if they are to stay as they are, stop their gradients and mind the weight decay"
        )
    if optimizer.unused():
        notes.append(f"options without a meaning to {optimizer.kind}, kept: {', '.join(optimizer.unused())}")
    groups = "1 group" if len(optimizer.options) == 1 else f"{len(optimizer.options)} groups"
    rates = ", ".join(f"{group['lr']:.6g}" for group in optimizer.options)
    about = "no scheduler: the learning rates are constant"
    if optimizer.scheduler is not None:
        moved = scheduler_count(optimizer.scheduler)
        every = "step" if optimizer.steps_per_epoch == 1 else f"{optimizer.steps_per_epoch} steps"
        about = f"{scheduler_kind(optimizer.scheduler)}, moved {moved} times, once every {every}"
    return ResumeReport(
        replace(loaded, unused=tuple(key for key in loaded.unused if key not in (*saved.places, "epoch"))),
        f"{optimizer.kind}, {groups} of {len(saved.counts)} parameters, {done} steps, learning rate {rates}",
        about,
        tuple(notes),
    )
