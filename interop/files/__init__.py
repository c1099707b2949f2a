"""Checkpoint files, read and written without PyTorch."""

from .checkpoint import Checkpoint
from .limits import Limits
from .reading import read
from .tensors import LazyTensor
from .writing import write

__all__ = ["Checkpoint", "LazyTensor", "Limits", "read", "write"]
