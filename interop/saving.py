"""Flax model -> state_dict, the exact inverse of loading."""

import os
from typing import Any, Literal

import jax
import numpy as np
from flax import nnx

from dilax.errors import DilaxError

from .files import write
from .rules import entries, to_torch


def state_dict(model: nnx.Module) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """The model's arrays under PyTorch's keys, in PyTorch's order, layout and dtypes.

    The order is that in which a module's attributes were made; Flax sorts them by name in ``nnx.eval_shape``,
    ``nnx.merge`` and ``nnx.clone``.

    Args:
        model: A model of layers that :mod:`interop.rules` knows, those of :mod:`dilax.nn` and of ``flax.nnx``.

    Returns:
        What ``load_state_dict(strict=True)`` of the PyTorch model takes, once the arrays are tensors.

    Raises:
        DilaxError: A layer has no rule, or the model is abstract.
    """
    found = entries(model)
    if any(isinstance(slot.value, jax.ShapeDtypeStruct) for entry in found for slot in entry.slots):
        raise DilaxError(
            f"state_dict: the {type(model).__name__} is abstract and has no numbers; fill it with interop.load first."
        )
    return to_torch(found, {slot.path: slot.value for entry in found for slot in entry.slots})


def save(
    model: nnx.Module, path: str | os.PathLike[str], *, format: Literal["torch", "safetensors"] | None = None
) -> None:
    """Write the model's state_dict to a file that PyTorch reads.

    Args:
        model: A model of layers that :mod:`interop.rules` knows, those of :mod:`dilax.nn` and of ``flax.nnx``.
        path: The file to write; it appears complete or not at all.
        format: As for :func:`interop.write`.

    Raises:
        FileError: The file cannot be written.
        DilaxError: A layer has no rule.
    """
    write(path, state_dict(model), format=format)
