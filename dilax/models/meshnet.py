"""MeshNet: segmentation of volumes at full resolution by dilated convolutions alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax
from flax import nnx

from .. import geometry
from ..errors import ArgumentError
from ..nn import ACTIVATIONS, BatchNorm, Conv, FeatureDropout, Sequential
from ..nn.checks import number
from ..ops.arguments import flag, known

#: Dilation of each 3x3x3 convolution; a 1x1x1 convolution to the classes follows.
DILATIONS = (1, 2, 4, 8, 16, 8, 4, 2, 1)

#: Voxels to each side that one voxel of the output can see.
RADIUS = geometry.receptive_field((3, 1, rate) for rate in DILATIONS) // 2


@dataclass(frozen=True)
class MeshNetConfig:
    """What a MeshNet looks like.

    Args:
        in_channels: Channels of the input.
        channels: Channels of every hidden layer.
        num_classes: Channels of the output.
        activation: ``"relu"``, ``"elu"`` or ``"gelu"``.
        batch_norm: Whether a batch normalisation follows each hidden convolution.
        dropout: Share of hidden channels dropped in training, from 0 to below 1; 0 leaves the layer out.
    """

    in_channels: int = 1
    channels: int = 5
    num_classes: int = 3
    activation: Literal["relu", "elu", "gelu"] = "relu"
    batch_norm: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("in_channels", "channels", "num_classes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError("MeshNet", name, value, "is no positive integer", "pass one, e.g. 5")
        known("MeshNet", "activation", self.activation, sorted(ACTIVATIONS), "is unknown")
        flag("MeshNet", batch_norm=self.batch_norm)
        number("MeshNet", dropout=self.dropout)
        if not 0 <= self.dropout < 1:
            raise ArgumentError("MeshNet", "dropout", self.dropout, "is outside [0, 1)", "pass a share, e.g. 0.1")


class MeshNet(nnx.Module):
    """Nine 3x3x3 convolutions of dilation 1, 2, 4, 8, 16, 8, 4, 2, 1 and one of 1x1x1, all of one resolution.

    The keys are those of the PyTorch module whose attribute ``model`` is the ``torch.nn.Sequential`` of the same
    layers:
    ``model.0.weight``, ``model.2.weight``, … without batch normalisation.

    Args:
        config: What it looks like.
        rngs: Where initial values and dropout masks come from.

    Attributes:
        radius: Voxels to each side that one voxel of the output can see.
        example_size: Shape in space of a small input.

    Source: Fedorov et al., "End-to-end learning of brain tissue segmentation from imperfect labeling", 2017.
    """

    radius = RADIUS
    example_size = (20, 21, 22)

    def __init__(self, config: MeshNetConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        layers: list[nnx.Module] = []
        channels = config.in_channels
        for rate in DILATIONS:
            layers.append(Conv(channels, config.channels, (3, 3, 3), padding=rate, dilation=rate, rngs=rngs))
            channels = config.channels
            if config.batch_norm:
                layers.append(BatchNorm(channels))
            layers.append(ACTIVATIONS[config.activation]())
            if config.dropout:
                layers.append(FeatureDropout(config.dropout, rngs=rngs))
        layers.append(Conv(channels, config.num_classes, (1, 1, 1), rngs=rngs))
        self.model = Sequential(layers)

    @property
    def stages(self) -> Sequence[nnx.Module]:
        """The layers; each maps the output of the one before, and the last gives the logits."""
        return self.model

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, D, H, W, in_channels)`` to logits ``(N, D, H, W, num_classes)``."""
        return self.model(x)
