"""MeshNet as its published checkpoints have it."""

import torch

from dilax.models.meshnet import DILATIONS, MeshNetConfig

_ACTIVATIONS = {"elu": torch.nn.ELU, "gelu": torch.nn.GELU, "relu": torch.nn.ReLU}


class MeshNet(torch.nn.Module):
    """The PyTorch twin of :class:`dilax.models.MeshNet`.

    Args:
        config: What it looks like.

    Source: Fedorov et al., "End-to-end learning of brain tissue segmentation from imperfect labeling", 2017.
    """

    def __init__(self, config: MeshNetConfig) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        channels = config.in_channels
        for rate in DILATIONS:
            layers.append(torch.nn.Conv3d(channels, config.channels, 3, padding=rate, dilation=rate))
            channels = config.channels
            if config.batch_norm:
                layers.append(torch.nn.BatchNorm3d(channels))
            layers.append(_ACTIVATIONS[config.activation]())
            if config.dropout:
                layers.append(torch.nn.Dropout3d(config.dropout))
        layers.append(torch.nn.Conv3d(channels, config.num_classes, 1))
        self.model = torch.nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, in_channels, D, H, W)`` to logits ``(N, num_classes, D, H, W)``."""
        return self.model(x)
