"""Architectures under PyTorch's attribute names, and the registry that builds them by name."""

from .meshnet import MeshNet as MeshNet
from .meshnet import MeshNetConfig as MeshNetConfig
from .registry import config_type as config_type
from .registry import create as create
from .registry import list_models as list  # noqa: F401  (called as dilax.models.list, as in torchvision)
