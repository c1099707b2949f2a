"""The state_dicts of whole modules that were pickled, without their classes."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from .budget import Budget
from .faults import Malformed, named
from .tensors import LazyTensor
from .values import PickledObject

_PARTS = ("_parameters", "_buffers", "_modules")
_DEPTH = 200
# Dictionaries and lists, one inside the other, in which modules are looked for.
_LEVELS = 4


def recover(root: Any, budget: Budget) -> tuple[Any, tuple[str, ...]]:
    """``root`` with each module in it, or a few containers below, replaced by its state_dict; and notes about that."""
    found: dict[int, tuple[Any, str]] = {}

    def replaced(module: PickledObject, place: str) -> Any:
        if id(module) not in found:
            entries: OrderedDict[str, LazyTensor] = OrderedDict()
            entries.update(_entries(module, "", (), budget))
            what = f"is a whole module of the class {module.type}"
            found[id(module)] = (
                entries, f"{place} {what}, which was not imported; its state_dict was recovered",
            )  # fmt: skip
        return found[id(module)][0]

    if is_module(root):
        root = replaced(root, "the file")
    pending: list[tuple[tuple[str, ...], Any]] = [((), root)]
    seen: set[int] = set()
    while pending:
        place, container = pending.pop()
        if type(container) not in (dict, OrderedDict, list) or id(container) in seen or len(place) > _LEVELS:
            continue
        seen.add(id(container))
        for key, value in list(enumerate(container) if isinstance(container, list) else container.items()):
            if is_module(value):
                container[key] = replaced(value, ".".join((*place, named(key))))
            elif isinstance(value, dict | list):
                pending.append(((*place, named(key)), value))
    return root, tuple(note for _, note in found.values())


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
