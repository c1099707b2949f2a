"""Go through a Flax model in PyTorch's order and say which key belongs to which array."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flax import nnx

from dilax.errors import DilaxError

from .registry import RULES
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
    """Every module below ``module``, itself first, with its dotted path, in order of definition."""
    yield ".".join(path), module
    children = enumerate(module) if isinstance(module, nnx.List) else vars(module).items()
    for name, child in children:
        if isinstance(child, nnx.Module | nnx.List | nnx.Dict):
            yield from modules(child, (*path, str(name)))


def entries(model: nnx.Module) -> list[Entry]:
    """Every array of a model that PyTorch has too, in the order of PyTorch's state_dict.

    Random-number state is left out: PyTorch keeps none in a model.

    Raises:
        DilaxError: A module holds arrays and there is no rule for its type.
    """
    found: list[Entry] = []
    unknown: list[str] = []
    for path, module in modules(model):
        rule = RULES.get(type(module))
        held = {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, nnx.Variable) and not isinstance(value, nnx.RngState)
        }
        for array in rule.arrays if rule else ():
            if array.flax_name in held:
                key = f"{path}.{array.torch_name}" if path else array.torch_name
                settled = replace(array, layout=array.layout_of(module)) if array.layout_of else array
                found.append(Entry(key, held.pop(array.flax_name), settled))
        unknown += [f"{path or 'the model'} ({type(module).__name__}).{name}" for name in held]
    if unknown:
        raise DilaxError(
            f"interop: no rule says what PyTorch calls {', '.join(unknown)}; "
            "build the model of layers that interop.rules.RULES names."
        )
    return found
