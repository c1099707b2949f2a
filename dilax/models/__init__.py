"""Architectures under PyTorch's attribute names, and the registry that builds them by name."""

from .deeplabv3 import DeepLabV3 as DeepLabV3
from .deeplabv3 import DeepLabV3Config as DeepLabV3Config
from .fcn import FCN as FCN
from .fcn import FCNConfig as FCNConfig
from .meshnet import MeshNet as MeshNet
from .meshnet import MeshNetConfig as MeshNetConfig
from .registry import config_type as config_type
from .registry import create as create
from .registry import list_models as list  # noqa: F401  (called as dilax.models.list, as in torchvision)
from .registry import list_models as list_models
from .resnet import ResNet as ResNet
from .resnet import ResNetConfig as ResNetConfig
