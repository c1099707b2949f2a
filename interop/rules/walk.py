"""Go through a Flax model in PyTorch's order and say which key belongs to which array."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flax import nnx

from dilax.errors import DilaxError
from dilax.nn import SpectralNorm, WeightNorm

from .registry import RULES
from .reparametrization import REPARAMETRIZED, parts
from .rule import ArrayRule


@dataclass(frozen=True)
class Entry:
    """One array of a model.

    Attributes:
        key: Its key in a PyTorch state_dict.
        variable: Where Flax keeps it.
        rule: How the two correspond.
    """

    key: str
    variable: nnx.Variable[Any]
    rule: ArrayRule

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """Shape of the array in PyTorch."""
        return self.rule.layout.torch_shape(self.variable.shape)


def modules(module: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every module below ``module``, itself first, with its dotted path, in order of definition.

    A module that stands for a parameter is none of them.
    """
    yield ".".join(path), module
    children = enumerate(module) if isinstance(module, nnx.List) else vars(module).items()
    for name, child in children:
        if isinstance(child, nnx.Module | nnx.List | nnx.Dict) and not isinstance(child, REPARAMETRIZED):
            yield from modules(child, (*path, str(name)))


def entries(model: nnx.Module) -> list[Entry]:
    """Every array of a model that PyTorch has too, in the order of PyTorch's state_dict.

    A module with a rule holds the arrays that the rule names. A module of the user's own, without a rule, may hold
    parameters (``nnx.Param``) and buffers (``nnx.BatchStat``) directly: their keys are the attributes' names, and their
    layout is as it is. Random-number state is left out: PyTorch keeps none in a model.

    Raises:
        DilaxError: A module holds arrays that no rule names, and is not the user's own.
    """
    found: list[Entry] = []
    unknown: list[str] = []
    for path, module in modules(model):
        held = {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, nnx.Variable | WeightNorm | SpectralNorm) and not isinstance(value, nnx.RngState)
        }
        computed: list[Entry] = []
        for array in _arrays(module, held):
            value = held.pop(array.flax_name)
            array = replace(array, layout=array.layout_of(module)) if array.layout_of else array
            if isinstance(value, nnx.Variable):
                found.append(Entry(_join(path, array.torch_name), value, array))
            else:
                computed += [Entry(_join(path, part.torch_name), own, part) for own, part in parts(array, value)]
        found += computed  # PyTorch registers them after the others
        unknown += [f"{path or 'the model'} ({type(module).__name__}).{name}" for name in held]
    if unknown:
        raise DilaxError(
            f"interop: no rule says what PyTorch calls {', '.join(unknown)}; "
            "build the model of layers that interop.rules.RULES names."
        )
    return found


def _arrays(module: Any, held: dict[str, Any]) -> list[ArrayRule]:
    """Rules of the arrays that a module holds, as far as there are any."""
    rule = next((RULES[kind] for kind in type(module).__mro__ if kind in RULES), None)
    if rule is None:
        own = [name for name, value in held.items() if _is_users(module) and _has_counterpart(value)]
        return [ArrayRule(name, name) for name in own]
    listed = [array for array in rule.arrays if array.flax_name in held]
    others = held.keys() - {array.flax_name for array in listed} if rule.same_names else ()
    return [*listed, *(ArrayRule(name, name) for name in held if name in others)]


def _is_users(module: Any) -> bool:
    """Whether a module's class is not, and inherits from none of, Flax's layers, whose layouts would need rules."""
    first = next(kind for kind in type(module).__mro__ if kind.__module__.startswith("flax."))
    return first in (nnx.Module, nnx.List, nnx.Dict)


def _has_counterpart(value: Any) -> bool:
    return isinstance(value, nnx.Param | nnx.BatchStat | WeightNorm | SpectralNorm)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
