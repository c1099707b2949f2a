"""A checkpoint as a model: what it remembers is enough to build it."""

import dataclasses
from os import PathLike
from typing import Any

from flax import nnx

from .. import models
from ..errors import FileError
from .arrays import model_arrays
from .checkpoint import Checkpoints
from .meta import CheckpointMeta
from .reading import read_step
from .steps import about_of, locate


def load_model(path: str | PathLike[str]) -> tuple[nnx.Module, CheckpointMeta]:
    """Build the model of a checkpoint and fill it.

    Args:
        path: Directory of a run (its newest step that counts) or of a step.

    Returns:
        The model, in evaluation mode, and what the checkpoint says about itself.

    Raises:
        FileError: There is no checkpoint, or it does not name its model.
        CorruptCheckpoint: It does not count.
        MismatchError: Its arrays are not those of the model that it names.
    """
    step = locate(path, function="load_model")
    about = CheckpointMeta.of(about_of(step))
    if not about.model:
        raise FileError("load_model", path, "does not name its model", "build the model and use fill_model")
    model: Any = models.create(about.model, **about.model_options)
    read_step(step, {"model": model}, part="model")
    model.eval()
    loaded: nnx.Module = model
    return loaded, about


def save_model(path: str | PathLike[str], model: Any, *, name: str, source: str = "") -> None:
    """Save a model that no run has trained as step 0 of a directory.

    Args:
        path: The directory; it holds no checkpoint yet.
        model: A model of :mod:`dilax.models`.
        name: Its name there.
        source: Where the numbers came from, e.g. the name of a converted file.

    Raises:
        ArgumentError: The directory holds a checkpoint.
        FileError: It cannot be written.
    """
    options = dataclasses.asdict(model.config)
    about = CheckpointMeta(model=name, model_options=options, source=source)
    with Checkpoints(path) as checkpoints:
        checkpoints.save(0, {"model": model_arrays(model)}, meta=about.to_json())
