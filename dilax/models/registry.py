"""Models by name: a checkpoint stores the name and the options, and that is enough to build the model again."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from flax import nnx

from ..architectures import ARCHITECTURES
from ..errors import ArgumentError, nearest
from ..ops.arguments import known
from . import drn, fcn_vgg, smp, timm_mobilenet
from .context import DilatedVGG, DilatedVGGConfig
from .csrnet import CSRNet, CSRNetConfig
from .deeplabv3 import DeepLabV3, DeepLabV3Config
from .fcn import FCN, FCNConfig
from .meshnet import MeshNet, MeshNetConfig
from .mobilenet_segmentation import LRASPP, DeepLabV3MobileNet, DeepLabV3MobileNetConfig, LRASPPConfig
from .mobilenet_v2 import MobileNetV2, MobileNetV2Config
from .mobilenet_v3 import MobileNetV3, MobileNetV3Config
from .resnet import ResNet, ResNetConfig

_MODELS: dict[str, tuple[type[Any], Callable[..., nnx.Module]]] = {
    "deeplabv3_resnet50": (DeepLabV3Config, partial(DeepLabV3, "resnet50")),
    "deeplabv3_resnet101": (DeepLabV3Config, partial(DeepLabV3, "resnet101")),
    "fcn_resnet50": (FCNConfig, partial(FCN, "resnet50")),
    "fcn_resnet101": (FCNConfig, partial(FCN, "resnet101")),
    "meshnet": (MeshNetConfig, MeshNet),
    "deeplabv3_mobilenet_v3_large": (DeepLabV3MobileNetConfig, partial(DeepLabV3MobileNet, "mobilenet_v3_large")),
    "lraspp_mobilenet_v3_large": (LRASPPConfig, partial(LRASPP, "mobilenet_v3_large")),
    "mobilenet_v2": (MobileNetV2Config, MobileNetV2),
    "mobilenet_v3_large": (MobileNetV3Config, partial(MobileNetV3, "mobilenet_v3_large")),
    "mobilenet_v3_small": (MobileNetV3Config, partial(MobileNetV3, "mobilenet_v3_small")),
    **{name: (ResNetConfig, partial(ResNet, name)) for name in ARCHITECTURES},
    "csrnet": (CSRNetConfig, CSRNet),
    "dilated_vgg": (DilatedVGGConfig, DilatedVGG),
    **drn.MODELS,
    **fcn_vgg.MODELS,
    **smp.MODELS,
    **timm_mobilenet.MODELS,
}


def list_models() -> list[str]:
    """Names that :func:`create` knows, sorted."""
    return sorted(_MODELS)


def config_type(name: str) -> type[Any]:
    """The frozen dataclass that configures the model called ``name``.

    Raises:
        ArgumentError: There is no such model.
    """
    return _lookup("config_type", name)[0]


def create(name: str, *, rngs: nnx.Rngs | None = None, **options: Any) -> nnx.Module:
    """Build a model.

    Args:
        name: One of :func:`list_models`.
        rngs: Where initial values and dropout masks come from; seed 0 if None.
        **options: Fields of the model's configuration.

    Returns:
        The model, in training mode; ``model.config`` is its configuration.

    Raises:
        ArgumentError: No such model, no such option, or a value out of range.

    >>> create("meshnet", num_classes=18, activation="elu").config.num_classes
    18
    """
    config, build = _lookup("create", name)
    fields = [field.name for field in dataclasses.fields(config)]
    for option in options:
        if option not in fields:
            raise ArgumentError(
                "create", "options", option, f"is no option of {name}{nearest(option, fields)}",
                f"pass some of {', '.join(fields)}",
            )  # fmt: skip
    return build(config(**options), rngs=nnx.Rngs(0) if rngs is None else rngs)


def _lookup(function: str, name: str) -> tuple[type[Any], Callable[..., nnx.Module]]:
    known(function, "name", name, list_models(), "is no model")
    return _MODELS[name]
