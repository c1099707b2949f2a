"""The PyTorch side of dilax: read checkpoints without PyTorch, load, save, verify."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .files import Checkpoint, LazyTensor, Limits, read, write
    from .infer import infer_options
    from .load import LoadReport, load
    from .save import save, state_dict
    from .verify import VerifyReport, verify

# Names load on first use, so that reading a file imports neither JAX nor PyTorch.
_HOMES = {
    "Checkpoint": "files",
    "LazyTensor": "files",
    "Limits": "files",
    "LoadReport": "load",
    "VerifyReport": "verify",
    "infer_options": "infer",
    "load": "load",
    "read": "files",
    "save": "save",
    "state_dict": "save",
    "verify": "verify",
    "write": "files",
}

__all__ = [
    "Checkpoint",
    "LazyTensor",
    "Limits",
    "LoadReport",
    "VerifyReport",
    "infer_options",
    "load",
    "read",
    "save",
    "state_dict",
    "verify",
    "write",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value  # a function wins over the submodule of the same name
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
