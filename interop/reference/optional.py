"""Packages that only some references need."""

import importlib
from typing import Any

from dilax.errors import MissingDependency


def optional(module: str) -> Any:
    """The module of that name, e.g. ``torchvision.models``.

    Raises:
        MissingDependency: Its package, which the extra of the same name installs, is not there.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependency("reference", package, package) from error
