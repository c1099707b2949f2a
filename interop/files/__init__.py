"""Checkpoint files, read and written without PyTorch."""

from typing import TYPE_CHECKING, Any

from .checkpoint import Checkpoint
from .limits import Limits
from .reading import read
from .tensors import LazyTensor

if TYPE_CHECKING:
    from .writing import write

__all__ = ["Checkpoint", "LazyTensor", "Limits", "read", "write"]


def __getattr__(name: str) -> Any:
    # Loads on first use: who looks at a file need not wait for what writes one.
    if name == "write":
        from .writing import write

        return write
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
