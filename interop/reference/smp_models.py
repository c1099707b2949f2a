"""segmentation_models_pytorch's own models, with the options that dilax has for them."""

from collections.abc import Callable
from typing import Any

import torch

from dilax.models import SmpDeepLabV3Config, SmpPANConfig, SmpPSPNetConfig
from dilax.models.smp.config import SmpConfig

from .optional import optional


def _deeplabv3(config: SmpDeepLabV3Config) -> torch.nn.Module:
    return _library().DeepLabV3(**_shared(config), **_atrous(config))


def _deeplabv3plus(config: SmpDeepLabV3Config) -> torch.nn.Module:
    return _library().DeepLabV3Plus(**_shared(config), **_atrous(config))


def _pan(config: SmpPANConfig) -> torch.nn.Module:
    return _library().PAN(
        encoder_output_stride=config.encoder_output_stride,
        decoder_channels=config.decoder_channels,
        decoder_interpolation=config.decoder_interpolation,
        **_shared(config),
    )


def _pspnet(config: SmpPSPNetConfig) -> torch.nn.Module:
    return _library().PSPNet(
        output_stride=config.encoder_output_stride,
        psp_out_channels=config.psp_out_channels,
        decoder_use_norm=config.decoder_use_norm,
        psp_dropout=config.psp_dropout,
        **_shared(config),
    )


def _shared(config: SmpConfig) -> dict[str, Any]:
    """The arguments that all of its models have."""
    aux = {"classes": config.aux_classes, "pooling": config.aux_pooling, "dropout": config.aux_dropout}
    return {
        "encoder_name": config.encoder_name,
        "encoder_weights": None,
        "encoder_depth": config.encoder_depth,
        "in_channels": config.in_channels,
        "classes": config.classes,
        "activation": config.activation,
        "upsampling": config.upsampling,
        "aux_params": None if config.aux_classes is None else aux,
    }


def _atrous(config: SmpDeepLabV3Config) -> dict[str, Any]:
    return {
        "encoder_output_stride": config.encoder_output_stride,
        "decoder_channels": config.decoder_channels,
        "decoder_atrous_rates": config.decoder_atrous_rates,
        "decoder_aspp_separable": config.decoder_aspp_separable,
        "decoder_aspp_dropout": config.decoder_aspp_dropout,
    }


def _library() -> Any:
    return optional("segmentation_models_pytorch")


#: By name, what makes the PyTorch module of a configuration.
REFERENCES: dict[str, Callable[[Any], torch.nn.Module]] = {
    "smp_deeplabv3": _deeplabv3,
    "smp_deeplabv3plus": _deeplabv3plus,
    "smp_pan": _pan,
    "smp_pspnet": _pspnet,
}
