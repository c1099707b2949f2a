"""Architectures under PyTorch's attribute names, and the registry that builds them by name."""

from .context import DilatedVGG as DilatedVGG
from .context import DilatedVGGConfig as DilatedVGGConfig
from .csrnet import CSRNet as CSRNet
from .csrnet import CSRNetConfig as CSRNetConfig
from .deeplabv3 import DeepLabV3 as DeepLabV3
from .deeplabv3 import DeepLabV3Config as DeepLabV3Config
from .drn import DRN as DRN
from .drn import DRNConfig as DRNConfig
from .drn import DRNSeg as DRNSeg
from .drn import DRNSegConfig as DRNSegConfig
from .fcn import FCN as FCN
from .fcn import FCNConfig as FCNConfig
from .fcn_vgg import FCNVGG as FCNVGG
from .fcn_vgg import FCNVGGConfig as FCNVGGConfig
from .meshnet import MeshNet as MeshNet
from .meshnet import MeshNetConfig as MeshNetConfig
from .mobilenet_segmentation import LRASPP as LRASPP
from .mobilenet_segmentation import DeepLabV3MobileNet as DeepLabV3MobileNet
from .mobilenet_segmentation import DeepLabV3MobileNetConfig as DeepLabV3MobileNetConfig
from .mobilenet_segmentation import LRASPPConfig as LRASPPConfig
from .mobilenet_v2 import MobileNetV2 as MobileNetV2
from .mobilenet_v2 import MobileNetV2Config as MobileNetV2Config
from .mobilenet_v3 import MobileNetV3 as MobileNetV3
from .mobilenet_v3 import MobileNetV3Config as MobileNetV3Config
from .registry import config_type as config_type
from .registry import create as create
from .registry import list_models as list  # noqa: F401  (called as dilax.models.list, as in torchvision)
from .registry import list_models as list_models
from .resnet import ResNet as ResNet
from .resnet import ResNetConfig as ResNetConfig
from .timm_mobilenet import TimmMobileNetConfig as TimmMobileNetConfig
from .timm_mobilenet import TimmMobileNetV2 as TimmMobileNetV2
from .timm_mobilenet import TimmMobileNetV3 as TimmMobileNetV3
