"""PyTorch twins of dilax's models, for those that no library provides; they need PyTorch."""

from .meshnet import MeshNet as MeshNet
from .registry import create as create
