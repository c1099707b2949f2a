"""Schedulers of torch.optim in closed form, from their state_dicts alone."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dilax.errors import DilaxError

from ..files.optimizers import number, scheduler_kind

#: From how often the scheduler was stepped to a rate.
Rate = Callable[[Any], Any]
State = Mapping[str, Any]

_REASONS = {
    "LambdaLR or MultiplicativeLR": "its function is not in the file",
    "ReduceLROnPlateau": "its rates follow a metric and not the count of steps",
}


def scheduler_rate(state: State, group: State, index: int, base: float | None = None) -> Rate:
    """The learning rate of a group of parameters.

    Args:
        state: The scheduler's ``state_dict()``, or its options alone.
        group: The optimizer's group; OneCycleLR keeps its rates there.
        index: Number of the group.
        base: Rate to start from; the scheduler's own for this group if None.

    Raises:
        DilaxError: There is no closed form, or something needed is not in ``state`` or ``group``.
    """
    kind = scheduler_kind(state)
    if kind not in _KINDS:
        reason = _REASONS.get(kind, "it has no closed form here")
        raise DilaxError(
            f"interop: the scheduler is {kind}, which cannot be taken over: {reason}; pass the checkpoint without "
            f"it to go on at the optimizer's present rates, or use one of {', '.join(_KINDS)}."
        )
    if "_schedulers" in state:
        base = math.nan  # each of those inside has its own
    elif base is None:
        bases = state.get("base_lrs")
        if isinstance(bases, Sequence) and len(bases) > index:
            group = {**group, "base_lr": bases[index]}
        base = _number(group, "base_lr", group.get("initial_lr", group.get("lr")))
    return _KINDS[kind](state, group, index, base)


def scheduler_momentum(state: State, group: State) -> Rate | None:
    """The momentum, or Adam's first coefficient, that OneCycleLR gives a group; None where nothing changes it."""
    if "_schedulers" in state and any(inner.get("cycle_momentum") for inner in _inner(state)):
        raise DilaxError(
            "interop: a OneCycleLR with cycle_momentum inside another scheduler cannot be taken over; "
            "pass the checkpoint without its scheduler."
        )
    if scheduler_kind(state) != "OneCycleLR" or not state.get("cycle_momentum"):
        return None
    return _phases(state, group, "start_momentum", "end_momentum")


def advanced(state: State, count: int, rates: Sequence[Rate]) -> dict[str, Any]:
    """The state_dict of a scheduler once it was stepped ``count`` times, complete for ``load_state_dict``."""
    new = dict(state)
    kind = scheduler_kind(state)
    if kind == "MultiStepLR":
        new["milestones"] = Counter(state["milestones"])
    if kind == "CosineAnnealingWarmRestarts":
        new["T_cur"], new["T_i"] = map(int, _cycle(state, count))
    if kind in ("SequentialLR", "ChainedScheduler"):
        starts = [0, *state["_milestones"]] if kind == "SequentialLR" else [0] * len(state["_schedulers"])
        ends = [*starts[1:], math.inf] if kind == "SequentialLR" else [math.inf] * len(starts)
        new["_schedulers"] = [
            advanced(inner, int(min(count, end - 1)) - start, [_shifted(rate, start) for rate in rates])
            if start <= count
            else dict(inner)
            for inner, start, end in zip(state["_schedulers"], starts, ends, strict=True)
        ]
    if kind != "ChainedScheduler":
        new["last_epoch"] = count
    if kind not in ("ChainedScheduler", "SequentialLR", "CosineAnnealingWarmRestarts"):  # which count no steps
        new["_step_count"] = state.get("_step_count", 1) + count - max(state.get("last_epoch", 0), 0)
    new["_last_lr"] = [float(rate(count)) for rate in rates]
    return new


def _shifted(rate: Rate, start: int) -> Rate:
    return lambda count: rate(count + start)


def _step(state: State, group: State, index: int, base: float) -> Rate:
    gamma, size = _number(state, "gamma"), _count(state, "step_size")
    return lambda count: base * gamma ** (count // size)


def _multi_step(state: State, group: State, index: int, base: float) -> Rate:
    gamma, milestones = _number(state, "gamma"), _milestones(state, "milestones")
    return lambda count: base * gamma ** sum(times * (count >= at) for at, times in milestones.items())


def _constant(state: State, group: State, index: int, base: float) -> Rate:
    factor, total = _number(state, "factor"), _total(state)
    return lambda count: base * _numpy(count).where(count >= total, 1.0, factor)


def _linear(state: State, group: State, index: int, base: float) -> Rate:
    start, end, total = _number(state, "start_factor"), _number(state, "end_factor"), _total(state)
    return lambda count: base * (start + (end - start) * _numpy(count).minimum(count, total) / total)


def _exponential(state: State, group: State, index: int, base: float) -> Rate:
    gamma = _number(state, "gamma")
    return lambda count: base * gamma**count


def _polynomial(state: State, group: State, index: int, base: float) -> Rate:
    total, power = _total(state), _number(state, "power")
    # XLA divides by a constant as it multiplies by the reciprocal: 1 - total / total would not be zero.
    return lambda count: base * ((total - _numpy(count).minimum(count, total)) / total) ** power


def _cosine(state: State, group: State, index: int, base: float) -> Rate:
    period, least = _number(state, "T_max", least=1), _number(state, "eta_min")
    return lambda count: least + (base - least) * (1 + _numpy(count).cos(math.pi * count / period)) / 2


def _warm_restarts(state: State, group: State, index: int, base: float) -> Rate:
    least = _number(state, "eta_min")

    def rate(count: Any) -> Any:
        done, period = _cycle(state, count)
        return least + (base - least) * (1 + _numpy(count).cos(math.pi * done / period)) / 2

    return rate


def _cycle(state: State, count: Any) -> tuple[Any, Any]:
    """Steps done in the present cycle, and its length; each is ``T_mult`` times as long as the one before."""
    length, times = _count(state, "T_0"), _count(state, "T_mult")
    if times == 1:
        return count % length, length
    starts, lengths = [0], [length]
    while starts[-1] + lengths[-1] < 2**31:
        starts.append(starts[-1] + lengths[-1])
        lengths.append(lengths[-1] * times)
    xp = _numpy(count)
    at = xp.searchsorted(xp.asarray(starts), count, side="right") - 1
    return count - xp.asarray(starts)[at], xp.asarray(lengths, float)[at]


def _one_cycle(state: State, group: State, index: int, base: float) -> Rate:
    return _phases(state, group, "start_lr", "end_lr")


def _phases(state: State, group: State, start_key: str, end_key: str) -> Rate:
    """Values of OneCycleLR; after its last step, where PyTorch raises an error, the value stays."""
    linear = _need(state, "_anneal_func_type") == "linear"
    last = _count(state, "total_steps")
    begin, phases = 0.0, []
    for phase in _need(state, "_schedule_phases"):
        end = _number(phase, "end_step")
        phases.append((begin, end, _number(group, phase[start_key]), _number(group, phase[end_key])))
        begin = end

    def value(count: Any) -> Any:
        xp = _numpy(count)
        count = xp.minimum(count, last)
        found = None
        for begin, end, first, final in reversed(phases):
            part = (count - begin) / ((end - begin) or 1.0)
            smooth = final + (first - final) / 2.0 * (xp.cos(math.pi * part) + 1)
            here = (final - first) * part + first if linear else smooth
            found = here if found is None else xp.where(count <= end, here, found)
        return found

    return value


def _sequential(state: State, group: State, index: int, base: float) -> Rate:
    milestones, schedulers = list(_milestones(state, "_milestones").elements()), _inner(state)
    if len(milestones) != len(schedulers) - 1 or any("_schedulers" in inner for inner in schedulers):
        raise DilaxError(
            "interop: a SequentialLR of schedulers that hold schedulers, or without a milestone between two, cannot be "
            "taken over; "
            "pass the checkpoint without its scheduler."
        )
    rates = [scheduler_rate(inner, group, index) for inner in schedulers]

    def rate(count: Any) -> Any:
        xp = _numpy(count)
        value = rates[0](count)
        for begin, own in zip(milestones, rates[1:], strict=True):
            value = xp.where(count >= begin, own(xp.maximum(count - begin, 0)), value)
        return value

    return rate


def _chained(state: State, group: State, index: int, base: float) -> Rate:
    schedulers = _inner(state)
    kinds = [scheduler_kind(inner) for inner in schedulers]
    others = [kind for kind in kinds if kind not in _FACTORS]
    if others:
        raise DilaxError(
            f"interop: a ChainedScheduler with {', '.join(others)} cannot be taken over: chained rates are those of "
            f"{', '.join(_FACTORS)} multiplied; pass the checkpoint without its scheduler."
        )
    own = scheduler_rate(schedulers[0], group, index)
    factors = [scheduler_rate(inner, group, index, base=1.0) for inner in schedulers[1:]]
    return lambda count: math.prod((factor(count) for factor in factors), start=own(count))


_FACTORS: dict[str, Callable[[State, State, int, float], Rate]] = {
    "StepLR": _step,
    "MultiStepLR": _multi_step,
    "ConstantLR": _constant,
    "LinearLR": _linear,
    "ExponentialLR": _exponential,
    "PolynomialLR": _polynomial,
}
_KINDS = _FACTORS | {
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": _warm_restarts,
    "OneCycleLR": _one_cycle,
    "SequentialLR": _sequential,
    "ChainedScheduler": _chained,
}


def _numpy(count: Any) -> Any:
    """The library that computes with a count: NumPy's double precision unless JAX traces."""
    return jnp if isinstance(count, jax.Array) else np


def _need(state: State, key: str) -> Any:
    if key not in state:
        raise DilaxError(
            f"interop: the scheduler's state lacks {key!r}; save the state_dicts of the optimizer and the scheduler "
            "that belong together, or pass the checkpoint without its scheduler."
        )
    return state[key]


def _number(state: State, key: str, default: Any = None, *, least: float = -math.inf) -> float:
    given = state[key] if key in state else default if default is not None else _need(state, key)
    value = number(given)
    if value is None or not least <= value < math.inf:
        raise DilaxError(
            f"interop: the scheduler's {key!r} is {given!r} and no number that it can have; "
            "pass the checkpoint without its scheduler."
        )
    return value


def _count(state: State, key: str) -> int:
    return int(_number(state, key, least=1))


def _milestones(state: State, key: str) -> Counter[int]:
    """Counts of a scheduler's steps, and how often each is listed."""
    given = _need(state, key)
    try:
        found = Counter(given)
        whole = all(type(at) is int and type(times) is int for at, times in found.items())
    except TypeError:
        whole = False
    if not whole:
        raise DilaxError(
            f"interop: the scheduler's {key!r} is {given!r} and no list of steps; "
            "pass the checkpoint without its scheduler."
        )
    return found


def _total(state: State) -> float:
    """Length of a change of the rates; of 0, PyTorch's own forms of the rates contradict each other."""
    return _number(state, "total_iters", least=1)


def _inner(state: State) -> list[State]:
    """The schedulers inside one."""
    found = _need(state, "_schedulers")
    if not isinstance(found, list) or not found or not all(isinstance(inner, Mapping) for inner in found):
        raise DilaxError(
            "interop: what the scheduler holds are no schedulers; pass the checkpoint without its scheduler."
        )
    return found
