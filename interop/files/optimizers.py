"""What PyTorch's optimizers and schedulers saved of themselves: which one it is, how far it is, at what rate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .tensors import LazyTensor

# Options that a parameter group has in one optimizer of torch.optim and in no other that stands below it here.
_MARKS: tuple[tuple[str, frozenset[str]], ...] = (
    ("NAdam", frozenset({"betas", "momentum_decay"})),
    ("AdamW or Adam", frozenset({"betas", "amsgrad"})),
    ("SGD", frozenset({"momentum", "dampening", "nesterov"})),
    ("RMSprop", frozenset({"alpha", "centered", "momentum"})),
    ("Adagrad", frozenset({"lr_decay", "initial_accumulator_value"})),
    ("Adadelta", frozenset({"rho", "eps"})),
    ("Rprop", frozenset({"etas", "step_sizes"})),
    ("ASGD", frozenset({"lambd", "alpha", "t0"})),
    ("LBFGS", frozenset({"history_size", "line_search_fn"})),
    ("Adafactor", frozenset({"beta2_decay", "clipping_threshold"})),
    ("Adafactor", frozenset({"beta2_decay", "d"})),
    ("Muon", frozenset({"ns_steps", "ns_coefficients"})),
)
# Where the options agree, what it keeps of each parameter decides.
_STATE_MARKS = (("Adamax", "exp_inf"), ("RAdam or SparseAdam", "exp_avg_sq"), ("Lion", "exp_avg"))
_SCHEDULER_MARKS = (
    ("OneCycleLR", "total_steps"),
    ("CyclicLR", "cycle_momentum"),
    ("CosineAnnealingWarmRestarts", "T_mult"),
    ("CosineAnnealingLR", "T_max"),
    ("ReduceLROnPlateau", "patience"),
    ("MultiStepLR", "milestones"),
    ("StepLR", "step_size"),
    ("LambdaLR or MultiplicativeLR", "lr_lambdas"),
    ("PolynomialLR", "power"),
    ("LinearLR", "end_factor"),
    ("ConstantLR", "factor"),
    ("ExponentialLR", "gamma"),
    ("SequentialLR", "_milestones"),
    ("ChainedScheduler", "_schedulers"),
)
_DEPTH = 4


@dataclass(frozen=True)
class OptimizerState:
    """An optimizer or a scheduler in a checkpoint.

    Attributes:
        place: Where it is, e.g. ``("optimizer",)``.
        kind: Name of its class, or of those that it could be.
        is_scheduler: Whether it only sets the rate of an optimizer.
        step: Steps done, a scheduler's ``last_epoch``, or None where it counts none.
        learning_rates: Of each group of parameters.
        parameters: How many it has a state of.
    """

    place: tuple[Any, ...]
    kind: str
    is_scheduler: bool
    step: int | None
    learning_rates: tuple[float, ...]
    parameters: int = field(default=0)


def find_optimizers(root: Any) -> list[OptimizerState]:
    """The optimizers and schedulers in what a file held, at most a few containers deep."""
    return [found for place, value in _containers(root) if (found := _described(place, value)) is not None]


def _containers(root: Any) -> Iterator[tuple[tuple[Any, ...], Mapping[Any, Any]]]:
    pending: list[tuple[tuple[Any, ...], Any]] = [((), root)]
    seen: set[int] = set()
    while pending:
        place, value = pending.pop()
        if id(value) in seen or len(place) > _DEPTH:
            continue
        seen.add(id(value))
        inside: list[tuple[Any, Any]] = list(enumerate(value)) if isinstance(value, list) else []
        if isinstance(value, Mapping):
            yield place, value
            inside = list(value.items()) if "param_groups" not in value and "_schedulers" not in value else []
        pending += [
            ((*place, key), element) for key, element in reversed(inside) if isinstance(element, Mapping | list)
        ]


def _described(place: tuple[Any, ...], value: Mapping[Any, Any]) -> OptimizerState | None:
    if _is_scheduler(value):
        rates = value.get("_last_lr")
        numbers = tuple(map(number, rates)) if isinstance(rates, list) else ()
        return OptimizerState(place, scheduler_kind(value), True, scheduler_count(value), _rates(numbers))
    groups, state = value.get("param_groups"), value.get("state")
    if not isinstance(state, Mapping) or not isinstance(groups, list) or not groups:
        return None
    if not all(isinstance(group, Mapping) and "params" in group for group in groups):
        return None
    kept = [element for element in state.values() if isinstance(element, Mapping)]
    counts = [
        count for element in kept for key in ("step", "n_iter") if (count := _count(element.get(key))) is not None
    ]
    return OptimizerState(
        place, _kind(groups[0], kept), False, max(counts, default=None),
        _rates(number(group.get("lr")) for group in groups), len(kept),
    )  # fmt: skip


def _is_scheduler(value: Mapping[Any, Any]) -> bool:
    return ("_last_lr" in value and ("last_epoch" in value or "_schedulers" in value)) or (
        "last_epoch" in value and "_step_count" in value
    )


def scheduler_kind(state: Mapping[Any, Any]) -> str:
    """The class of a scheduler, from its state_dict."""
    return next((name for name, key in _SCHEDULER_MARKS if key in state), "a scheduler of an unknown kind")


def scheduler_count(state: Mapping[Any, Any]) -> int | None:
    """How often a scheduler was stepped; one that chains others counts nothing itself, and they count alike."""
    inner = state.get("_schedulers")
    if "last_epoch" not in state and isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
        state = inner[0]
    return _count(state.get("last_epoch"))


def _kind(group: Mapping[Any, Any], kept: list[Mapping[Any, Any]]) -> str:
    options = {key for key in group if isinstance(key, str)}
    name = next((name for name, marks in _MARKS if marks <= options), None)
    if name == "AdamW or Adam" and "decoupled_weight_decay" in group:
        return "AdamW" if group["decoupled_weight_decay"] is True else "Adam"
    if name is None and kept:
        name = next((name for name, key in _STATE_MARKS if key in kept[0]), None)
        if name == "RAdam or SparseAdam" and "decoupled_weight_decay" in group:
            return "RAdam"
    return name or "an optimizer of an unknown kind"


def _rates(numbers: Any) -> tuple[float, ...]:
    return tuple(rate for rate in numbers if rate is not None)


def number(value: Any) -> float | None:
    """A plain number, or that of an array with one."""
    if type(value) in (int, float):
        return float(value)
    if isinstance(value, LazyTensor):
        return number(value.numpy()) if value.size == 1 else None
    if not hasattr(type(value), "dtype"):
        return None
    import numpy as np

    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iuf":
        return float(value.reshape(()).item())
    return float(value) if isinstance(value, np.floating) else None


def _count(value: Any) -> int | None:
    count = number(value)
    return int(count) if count is not None and abs(count) < 2**62 else None
