"""PyTorch twins of dilax's models, those of torchvision or timm where they have them; they need PyTorch."""

from dilax.errors import MissingDependency

try:
    import torch as torch
except ImportError as error:
    raise MissingDependency("reference", "torch", "torch") from error

from .meshnet import MeshNet as MeshNet
from .registry import create as create
