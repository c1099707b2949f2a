"""What an optimizer keeps of each parameter: where optax holds it, and what PyTorch calls it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .layouts import Array
from .named import attribute, name_of

#: Fields of the states of optax and of ours, and PyTorch's names.
MOMENTS: dict[str, dict[str, str]] = {
    "SGD": {"trace": "momentum_buffer"},
    "Adam": {"mu": "exp_avg", "nu": "exp_avg_sq", "max_nu": "max_exp_avg_sq"},
    "AdamW": {"mu": "exp_avg", "nu": "exp_avg_sq", "max_nu": "max_exp_avg_sq"},
    "RMSprop": {"nu": "square_avg", "mu": "grad_avg", "trace": "momentum_buffer"},
    "Adagrad": {"sum_of_squares": "sum"},
}

# Moments that there are only with an option.
_OPTIONAL = {"max_exp_avg_sq": "amsgrad", "grad_avg": "centered", "momentum_buffer": "momentum"}


def needed_moments(kind: str, options: Mapping[str, Any]) -> list[str]:
    """PyTorch's names of what an optimizer with these options keeps of each parameter."""
    return [name for name in MOMENTS[kind].values() if name not in _OPTIONAL or options[_OPTIONAL[name]]]


@dataclass
class Moments:
    """What a state holds, by the paths of the parameters.

    Attributes:
        arrays: By PyTorch's name of the moment, then by path.
        counts: Steps done, by path.
        steps: Every count in the state that belongs to no parameter.
        late: Whether momentum comes after the learning rate, as in ``optax.rmsprop``.
    """

    arrays: dict[str, dict[str, Array]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    late: bool = False


def collect(kind: str, state: Any) -> Moments:
    """Find the moments in any optax state: in chains, partitions, masks, and the optimizer of NNX."""
    found = Moments()
    owners: dict[str, list[Any]] = {}
    counts: dict[Any, int] = {}
    places: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        path = path[:-1] if attribute(path[-1]) == "value" else path
        at = next((i for i, part in enumerate(path) if attribute(part) in MOMENTS[kind]), None)
        if at is None:
            if attribute(path[-1]) in ("count", "step"):
                counts[path[:-1]] = int(np.asarray(leaf))
            continue
        name, moment = name_of(path[at + 1 :]), attribute(path[at]) or ""
        found.arrays.setdefault(MOMENTS[kind][moment], {})[name] = np.asarray(leaf)
        owners.setdefault(name, []).append(path[:at])
        places[moment] = path[at - 1]
    for name, prefixes in owners.items():
        own = [counts[prefix] for prefix in prefixes if prefix in counts]
        if own:
            found.counts[name] = own[0]
    owned = {prefix for prefixes in owners.values() for prefix in prefixes}
    found.steps = [count for prefix, count in counts.items() if prefix not in owned]
    gap = [getattr(places[moment], "idx", 0) for moment in ("nu", "trace") if moment in places]
    found.late = len(gap) == 2 and gap[1] - gap[0] > 1
    return found


def fill(
    kind: str, state: Any, moments: Mapping[str, Mapping[str, Array]], counts: Mapping[str, int], step: int
) -> Any:
    """A new state of :func:`.grouping.grouped` with moments, by PyTorch's name and by path.

    Args:
        kind: PyTorch's class.
        state: What ``init`` gave.
        moments: Those that are there; the others stay as they begin.
        counts: Steps done, by the label of the part.
        step: Steps done altogether.
    """

    def filled(path: tuple[Any, ...], leaf: Any) -> Any:
        if attribute(path[0]) == "step":
            return jnp.asarray(step, leaf.dtype)
        last = attribute(path[-1])
        if last == "count":
            return jnp.asarray(counts[path[1].key], leaf.dtype)
        moment = next((attribute(part) for part in path if attribute(part) in MOMENTS[kind]), None)
        array = moments.get(MOMENTS[kind].get(moment or "", ""), {}).get(name_of(path[-1:]))
        return leaf if array is None else jnp.asarray(array, leaf.dtype)

    return jax.tree_util.tree_map_with_path(filled, state)
