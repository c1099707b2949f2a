"""Dilated-convolution models in JAX and Flax, moved from PyTorch with proof."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["data", "errors", "geometry", "models", "nn", "ops", "predict", "train"]

if TYPE_CHECKING:
    from . import data, errors, geometry, models, nn, ops, predict, train


def __getattr__(name: str) -> Any:
    # Submodules load on first use: `dilax --help` and `dilax inspect` must not wait for JAX.
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
