"""The state_dicts of whole modules that were pickled, without their classes."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from .budget import Budget
from .faults import Malformed
from .tensors import LazyTensor
from .values import PickledObject

_PARTS = ("_parameters", "_buffers", "_modules")
_DEPTH = 200


def recover(root: Any, budget: Budget) -> tuple[Any, tuple[str, ...]]:
    """``root`` with each module in it, or one dictionary below, replaced by its state_dict; and notes about that."""
    notes: list[str] = []

    def replaced(value: Any, place: str) -> Any:
        if not is_module(value):
            return value
        notes.append(
            f"{place} is a whole module of the class {value.type}, which was not imported; its state_dict was recovered"
        )
        entries: OrderedDict[str, LazyTensor] = OrderedDict()
        entries.update(_entries(value, "", (), budget))
        return entries

    if type(root) in (dict, OrderedDict):
        modules = {key: replaced(value, repr(key)) for key, value in root.items() if is_module(value)}
        return (type(root)({**root, **modules}) if modules else root), tuple(notes)
    return replaced(root, "the file"), tuple(notes)


def is_module(value: Any) -> bool:
    """Whether ``value`` is a pickled ``torch.nn.Module``."""
    return (
        isinstance(value, PickledObject)
        and isinstance(value.state, dict)
        and all(isinstance(value.state.get(part), dict) for part in _PARTS)
    )


def _entries(
    module: PickledObject, prefix: str, above: tuple[int, ...], budget: Budget
) -> Iterator[tuple[str, LazyTensor]]:
    if id(module) in above or len(above) > _DEPTH:
        raise Malformed("holds a module that contains itself")
    state = module.state
    # Modules may share their parts, and a few that do are exponentially many.
    budget.values(1 + sum(len(state[part]) for part in _PARTS))
    hidden = state.get("_non_persistent_buffers_set")
    hidden = hidden if isinstance(hidden, set | frozenset) else ()
    for part in _PARTS:
        for name, value in state[part].items():
            if type(name) is not str:
                raise Malformed("holds a module with a part whose name is no text")
            budget.arguments((prefix, name))
            if is_module(value) and part == "_modules":
                yield from _entries(value, f"{prefix}{name}.", (*above, id(module)), budget)
            elif isinstance(value, LazyTensor) and part != "_modules" and not (part == "_buffers" and name in hidden):
                yield f"{prefix}{name}", value
