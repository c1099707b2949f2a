"""Segmentation networks under the keys and arguments of segmentation_models_pytorch, on its encoders."""

from collections.abc import Callable
from typing import Any

from flax import nnx

from .deeplabv3 import SmpDeepLabV3 as SmpDeepLabV3
from .deeplabv3 import SmpDeepLabV3Config as SmpDeepLabV3Config
from .deeplabv3 import SmpDeepLabV3Plus as SmpDeepLabV3Plus
from .deeplabv3 import SmpDeepLabV3PlusConfig as SmpDeepLabV3PlusConfig
from .pan import SmpPAN as SmpPAN
from .pan import SmpPANConfig as SmpPANConfig
from .pspnet import SmpPSPNet as SmpPSPNet
from .pspnet import SmpPSPNetConfig as SmpPSPNetConfig

#: By name, the configuration of a model and what builds it.
MODELS: dict[str, tuple[type[Any], Callable[..., nnx.Module]]] = {
    "smp_deeplabv3": (SmpDeepLabV3Config, SmpDeepLabV3),
    "smp_deeplabv3plus": (SmpDeepLabV3PlusConfig, SmpDeepLabV3Plus),
    "smp_pan": (SmpPANConfig, SmpPAN),
    "smp_pspnet": (SmpPSPNetConfig, SmpPSPNet),
}
