"""Flax model -> state_dict, the exact inverse of loading."""

import os
from typing import Any, Literal

import numpy as np
from flax import nnx

from .files import write
from .rules import entries


def state_dict(model: nnx.Module) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """The model's arrays under PyTorch's keys, in PyTorch's order, layout and dtypes.

    Args:
        model: A model made of layers that :mod:`interop.rules` knows.

    Returns:
        What ``load_state_dict(strict=True)`` of the PyTorch model takes, once the arrays are tensors.

    Raises:
        DilaxError: A layer has no rule.
    """
    return {
        entry.key: np.asarray(
            entry.rule.layout.to_torch(np.asarray(entry.variable[...])),
            dtype=entry.rule.torch_dtype,
            order="C",
        )
        for entry in entries(model)
    }


def save(
    model: nnx.Module, path: str | os.PathLike[str], *, format: Literal["torch", "safetensors"] | None = None
) -> None:
    """Write the model's state_dict to a file that PyTorch reads.

    Args:
        model: A model made of layers that :mod:`interop.rules` knows.
        path: The file to write; it appears complete or not at all.
        format: As for :func:`interop.write`.

    Raises:
        FileError: The file cannot be written.
        DilaxError: A layer has no rule.
    """
    write(path, state_dict(model), format=format)
