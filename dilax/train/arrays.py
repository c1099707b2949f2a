"""A model's arrays by name, and back."""

from collections.abc import Mapping
from typing import Any

import jax
from flax import nnx

from ..errors import MismatchError

Arrays = dict[str, Any]


class Skeleton:
    """A model without its arrays: what is left of it when the arrays are taken out by name.

    Args:
        model: Any NNX module; it is not changed.
    """

    def __init__(self, model: nnx.Module) -> None:
        self._graph, state = nnx.split(model)
        self._variables = {_name(path): (path, value) for path, value in _flat(state)}

    def build(self, arrays: Mapping[str, Any]) -> nnx.Module:
        """Make a new model that holds the arrays; fit for use while JAX traces."""
        flat = [(path, old.replace(arrays[name])) for name, (path, old) in self._variables.items()]
        model: nnx.Module = nnx.merge(self._graph, nnx.from_flat_state(flat))
        return model


def model_arrays(model: nnx.Module, only: Any = nnx.Variable) -> Arrays:
    """Arrays of a model by their path, e.g. ``model.0.kernel``.

    Args:
        model: Any NNX module.
        only: An NNX filter, e.g. ``nnx.Param``; all variables without it.

    Returns:
        Name to array, sorted by name: parameters, statistics and random state.
    """
    named = {_name(path): value.get_value() for path, value in _flat(nnx.state(model, only))}
    return dict(sorted(named.items()))


def fill_model(model: nnx.Module, arrays: Mapping[str, Any]) -> None:
    """Put arrays into a model; every variable is filled and every array used, or nothing changes.

    Args:
        model: Any NNX module.
        arrays: What :func:`model_arrays` gave for a model like this one.

    Raises:
        MismatchError: A name, a shape or a dtype differs; all differences are listed.
    """
    variables = {_name(path): value for path, value in _flat(nnx.state(model))}
    old = {name: variable.get_value() for name, variable in variables.items()}
    problems = differences(describe(arrays), describe(old))
    if problems:
        raise MismatchError(
            "fill_model", "the arrays do not belong to this model", problems,
            "build the model with the options it was saved with",
        )  # fmt: skip
    flat = [(path, v.replace(arrays[_name(path)])) for path, v in _flat(nnx.state(model))]
    nnx.update(model, nnx.from_flat_state(flat))


def describe(arrays: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The dtype and shape of each array, as JSON can hold them."""
    return {name: [str(array.dtype), list(array.shape)] for name, array in arrays.items()}


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Compare two results of :func:`describe`, one line a difference."""
    lines = [f"{name}: missing" for name in wanted if name not in found]
    lines += [f"{name}: unexpected" for name in found if name not in wanted]
    for name in wanted:
        if name in found and list(found[name]) != list(wanted[name]):
            lines.append(f"{name}: is {_text(found[name])}, expected {_text(wanted[name])}")
    return lines


def count_parameters(arrays: Mapping[str, Any]) -> int:
    """How many numbers the arrays hold together."""
    return sum(int(array.size) for array in jax.tree.leaves(dict(arrays)))


def _text(entry: Any) -> str:
    dtype, *shape = entry  # a number of Python has no shape
    return " ".join([dtype, *(f"({', '.join(map(str, lengths))})" for lengths in shape)])


def _flat(state: Any) -> list[tuple[tuple[Any, ...], Any]]:
    return list(nnx.to_flat_state(state))


def _name(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))
