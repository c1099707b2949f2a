"""The PyTorch reference of a model, by the name and options that dilax has for it."""

from collections.abc import Callable
from typing import Any

import torch

from dilax.models import config_type

from . import drn, mobilenet, resnets, smp_models, timm_mobilenet, torchvision_models, vgg
from .meshnet import MeshNet

_REFERENCES: dict[str, Callable[..., torch.nn.Module]] = {
    "meshnet": MeshNet,
    **drn.REFERENCES,
    **mobilenet.REFERENCES,
    **timm_mobilenet.REFERENCES,
    **vgg.REFERENCES,
    **resnets.REFERENCES,
    **torchvision_models.REFERENCES,
    **smp_models.REFERENCES,
}

#: Names that :func:`create` knows.
NAMES = tuple(_REFERENCES)


def create(name: str, **options: Any) -> torch.nn.Module:
    """Build the PyTorch module that ``dilax.models.create(name, **options)`` agrees with.

    Args:
        name: A name of ``dilax.models.list()``.
        **options: Fields of the model's configuration.

    Raises:
        ArgumentError: No such model, or a value out of range.
        MissingDependency: The model is another library's, which is not installed.
    """
    config = config_type(name)(**options)
    return _REFERENCES[name](config)
