"""The optimizer and the scheduler in a training checkpoint, with PyTorch's numbers turned into the model's names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flax import nnx

from dilax.errors import ArgumentError, DilaxError, MismatchError

from ..arrays import is_array, to_numpy
from ..files.optimizers import OptimizerState, find_optimizers, number
from .assignment import Held, by_names, by_order, named_groups
from .layouts import Array, Trainable, trainables
from .moments import MOMENTS, needed_moments
from .torch_optimizer import DEFAULTS, TorchOptimizer

_EITHER = "AdamW or Adam"


@dataclass(frozen=True)
class Saved:
    """What a checkpoint says of an optimizer.

    Attributes:
        optimizer: In PyTorch's words, with its groups named.
        moments: Arrays by PyTorch's name of the moment, then by key.
        counts: Steps done, by key; 0 for a parameter without state, and 1 where SGD has a velocity.
        places: Keys of the checkpoint that were used.
    """

    optimizer: TorchOptimizer
    moments: dict[str, dict[str, Array]]
    counts: dict[str, int]
    places: tuple[Any, ...]


def read_optimizer(
    root: Any,
    model: nnx.Module,
    keys: Mapping[str, str],
    *,
    groups: Sequence[Sequence[str]] | None,
    steps_per_epoch: int | None,
    kind: str | None,
) -> Saved:
    """Find the optimizer in a checkpoint and name its parameters.

    Args:
        root: What the file held.
        model: The Flax model.
        keys: The model's keys by those of the checkpoint's own state_dict, in the order there, which the Flax model may
            have lost.
        groups: As for :func:`.resuming.resume_torch`, like the others.
        steps_per_epoch: Likewise.
        kind: Likewise.

    Raises:
        DilaxError: There is none, or it has no equal in JAX.
        MismatchError: Its parameters are not the model's, or cannot be told.
    """
    found, scheduler = _optimizer(root), _only(root, "scheduler")
    saved = _at(root, found.place)
    _check_form(saved)
    options = [{name: value for name, value in group.items() if name != "params"} for group in saved["param_groups"]]
    known = TorchOptimizer(
        _kind(found.kind, kind, options),
        [{name: value for name, value in group.items() if name != "param_names"} for group in options],
        groups=[()] * len(options),  # named below
        scheduler=None if scheduler is None else _at(root, scheduler.place),
        steps_per_epoch=_steps_per_epoch(scheduler, steps_per_epoch),
    )
    state = {index: _arrays(kept, known.kind) for index, kept in saved["state"].items()}
    numbers = [list(group["params"]) for group in saved["param_groups"]]
    _check_state(known, numbers, saved["state"], state)
    place = {key: at for at, key in enumerate(keys.values())}
    trained = sorted(trainables(model), key=lambda one: place.get(one.key, len(place)))
    given = [[keys.get(name, name) for name in group["param_names"]] for group in options if "param_names" in group]
    names = _names(numbers, state, given if groups is None else groups, trained)
    named = {index: key for pair in zip(numbers, names, strict=True) for index, key in zip(*pair, strict=True)}
    return Saved(
        replace(known, groups=names),
        {
            moment: {named[index]: kept[moment] for index, kept in state.items() if moment in kept}
            for moment in MOMENTS[known.kind].values()
        },
        {key: _count(saved["state"].get(index, {})) for index, key in named.items()},
        tuple(one.place[0] for one in (found, scheduler) if one is not None and one.place),
    )


def _optimizer(root: Any) -> OptimizerState:
    found = _only(root, "optimizer")
    if found is None:
        raise DilaxError(
            "resume_torch: there is no optimizer in the checkpoint; save optimizer.state_dict() beside the model, "
            "or use interop.load for the model alone."
        )
    return found


def _check_form(saved: Mapping[str, Any]) -> None:
    state, groups = saved["state"], saved["param_groups"]
    whole = all(isinstance(kept, Mapping) for kept in state.values())
    if not whole or not all(isinstance(group["params"], list | tuple) for group in groups):
        raise DilaxError(
            "resume_torch: the optimizer's state is not of PyTorch's form; pass what optimizer.state_dict() gave."
        )


def _only(root: Any, what: str) -> OptimizerState | None:
    found = [one for one in find_optimizers(root) if one.is_scheduler == (what == "scheduler")]
    if len(found) > 1:
        places = ", ".join(".".join(map(str, one.place)) for one in found)
        raise DilaxError(
            f"resume_torch: the checkpoint holds {len(found)} {what}s, in {places}; "
            f"pass a dictionary with one {what}, e.g. {{'model': …, 'optimizer': …, 'scheduler': …}}."
        )
    return found[0] if found else None


def _at(root: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        root = root[key]
    return root


def _kind(found: str, given: str | None, options: Sequence[Mapping[str, Any]]) -> str:
    if found == _EITHER:
        if given in ("Adam", "AdamW"):
            return given
        if all(number(group.get("weight_decay", 0.0)) == 0 for group in options):
            return "Adam"
        raise ArgumentError(
            "resume_torch", "kind", given, "leaves open whose weight decay the checkpoint's optimizer has, which it "
            "does not say", "pass 'Adam' or 'AdamW', whichever PyTorch's program used",
        )  # fmt: skip
    if given not in (None, found):
        raise ArgumentError("resume_torch", "kind", given, f"is not the checkpoint's {found}", "leave kind out")
    if found not in DEFAULTS:
        raise DilaxError(
            f"resume_torch: the optimizer is {found}, which has no equal in JAX here; "
            f"the known ones are {', '.join(DEFAULTS)}."
        )
    return found


def _steps_per_epoch(scheduler: OptimizerState | None, given: int | None) -> int:
    if scheduler is not None and given is None:
        raise ArgumentError(
            "resume_torch", "steps_per_epoch", None, f"leaves open when the {scheduler.kind} moves",
            "pass how many steps the optimizer does for one scheduler.step(): 1 if it moves with every step",
        )  # fmt: skip
    return 1 if given is None else given


def _arrays(kept: Mapping[str, Any], kind: str) -> dict[str, Array]:
    names = MOMENTS[kind].values()
    return {name: to_numpy(kept[name]) for name in names if is_array(kept.get(name))}


def _check_state(
    optimizer: TorchOptimizer, numbers: Sequence[Sequence[Any]], kept: Mapping[Any, Any], state: Mapping[Any, Any]
) -> None:
    problems = [
        f"state of {index!r}, which no group holds" for index in state if not any(index in own for own in numbers)
    ]
    for own, options in zip(numbers, optimizer.options, strict=True):
        needed = [] if optimizer.kind == "SGD" else needed_moments(optimizer.kind, options)
        for index in own:
            if not kept.get(index):
                continue
            problems += [f"number {index} lacks {name}" for name in needed if name not in state[index]]
            shapes = {array.shape for array in state[index].values()}
            if len(shapes) > 1:
                problems.append(f"number {index} has moments of shapes {', '.join(map(str, sorted(shapes)))}")
    if problems:
        raise MismatchError(
            "resume_torch", f"the state of the {optimizer.kind} contradicts itself", problems,
            "pass what optimizer.state_dict() gave",
        )  # fmt: skip


def _names(
    numbers: Sequence[Sequence[Any]],
    state: Mapping[Any, Mapping[str, Array]],
    groups: Sequence[Sequence[str]],
    trained: Sequence[Trainable],
) -> list[list[str]]:
    """Keys of each group's parameters: those given, those saved, or those that the shapes tell."""
    held = [
        [Held(index, next((array.shape for array in state.get(index, {}).values()), None)) for index in own]
        for own in numbers
    ]
    if not groups:
        return by_order(held, trained)
    named = named_groups(groups, trained)
    by_names(named, held, trained)
    return named


def _count(kept: Mapping[str, Any]) -> int:
    if "step" not in kept:
        return int(kept.get("momentum_buffer") is not None)
    step = kept["step"]
    return int(number(to_numpy(step) if is_array(step) else step) or 0)
