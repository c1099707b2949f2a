"""What a rule says: which PyTorch layer is which Flax layer, and how its arguments and arrays correspond."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flax import nnx

from .join import Join
from .layout import Layout, Same, Shape


@dataclass(frozen=True)
class ArrayRule:
    """One array of a layer.

    Attributes:
        torch_name: Name in PyTorch, the last part of its key.
        flax_name: Name of the Flax attribute.
        layout: How the numbers are arranged.
        torch_dtype: Dtype in PyTorch where it is not the Flax array's own.
        layout_of: Gives the layout where it depends on the Flax layer, such as on its groups.
    """

    torch_name: str
    flax_name: str
    layout: Layout = field(default_factory=Same)
    torch_dtype: np.dtype[Any] | None = None
    layout_of: Callable[[Any], Layout] | None = None


@dataclass(frozen=True)
class JoinRule:
    """Several arrays of a layer that belong together.

    Attributes:
        torch_names: Names in PyTorch, in the order of its state_dict.
        flax_names: Names of the Flax attributes; a dot leads into a layer that this one is made of.
        join: How the numbers are arranged.
        torch_dtype: Dtype in PyTorch where it is not the Flax arrays' own.
    """

    torch_names: tuple[str, ...]
    flax_names: tuple[str, ...]
    join: Join
    torch_dtype: np.dtype[Any] | None = None


#: Gives the shape of a layer's array by its Flax name; that of an array which the layer has not is empty.
ShapeOf = Callable[[str], Shape]


@dataclass(frozen=True)
class Rule:
    """One kind of layer.

    Attributes:
        torch_types: Names of the PyTorch layers, in ``torch.nn``.
        flax_type: The Flax layer.
        options: The Flax layer's keyword arguments, read off a PyTorch layer; without ``rngs``.
        arrays: Its arrays, in the order of PyTorch's state_dict; one that a layer has as None is left out.
        channels: Whether the layer's inputs and outputs have channels, which PyTorch puts after the batch and Flax
            last; otherwise both take the same arrays.
        children: Attributes of the PyTorch layer, themselves layers, lists of them, or None, that are arguments of the
            Flax layer.
        same_names: Whether the arrays that ``arrays`` does not list have PyTorch's names and layouts.
    """

    torch_types: tuple[str, ...]
    flax_type: type[nnx.Module]
    options: Callable[[Any], dict[str, Any]]
    arrays: tuple[ArrayRule, ...] = ()
    channels: bool = False
    children: tuple[str, ...] = ()
    same_names: bool = False


@dataclass(frozen=True)
class FlaxRule:
    """One kind of layer of Flax itself.

    Attributes:
        torch_types: Names of the PyTorch layers, in ``torch.nn``; none for a wrapper that makes another layer of one.
        flax_types: The same layer in ``flax.nnx``, in ``flax.linen``, or in both.
        arrays: Its arrays, in the order of PyTorch's state_dict; those of which a layer has none are left out.
        arrays_of: Gives the arrays where they depend on the layer's options and shapes.
        refusal: Says why a layer with its options and shapes has no equal in PyTorch, and what to do; None if it has.
        defaults: Options with which the layer computes what PyTorch's does by default.
    """

    torch_types: tuple[str, ...]
    flax_types: tuple[type[Any], ...]
    arrays: tuple[ArrayRule | JoinRule, ...] = ()
    arrays_of: Callable[[Any, ShapeOf], tuple[ArrayRule | JoinRule, ...]] | None = None
    refusal: Callable[[Any, ShapeOf], str | None] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)


def take(*names: str) -> Callable[[Any], dict[str, Any]]:
    """Options that have the same name and meaning in both frameworks."""
    return lambda layer: {name: getattr(layer, name) for name in names}
