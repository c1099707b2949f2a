"""Options that all models of segmentation_models_pytorch share."""

from dataclasses import dataclass
from typing import ClassVar

from ...errors import ArgumentError
from ...nn.checks import positive, share
from ...ops.arguments import is_integer, known, one_of
from .encoders import ENCODERS
from .heads import ACTIVATIONS, POOLINGS


@dataclass(frozen=True)
class SmpConfig:
    """An encoder, an input and the outputs, by segmentation_models_pytorch's names.

    Args:
        encoder_name: One of :data:`dilax.models.smp.encoders.ENCODERS`.
        encoder_depth: How many feature maps the encoder gives, each of half the size of the one before, unless dilated.
            What comes after them in the network stays in the model, without being used, as in the reference.
        encoder_output_stride: Pixels of the input to one of the last feature map, if the encoder gives all. Where it is
            below 32, the last stages have dilations in place of strides, in all their blocks.
        in_channels: Channels of the input.
        classes: Channels of the output.
        activation: What is applied to the output: ``"sigmoid"``, ``"softmax"`` or ``"softmax2d"`` (both over the
            classes), ``"logsoftmax"`` or ``"tanh"``; nothing if None.
        upsampling: How many times larger the output is than the decoder's.
        aux_classes: Scores that a second head gives for the whole image; None for no such head. This and the next two
            are the entries ``classes``, ``pooling`` and ``dropout`` of the reference's ``aux_params``.
        aux_pooling: What becomes of the last feature map there: its means (``"avg"``) or its maxima (``"max"``).
        aux_dropout: Share of these that is dropped in training, from 0 to 1.
    """

    encoder_name: str = "resnet34"
    encoder_depth: int = 5
    encoder_output_stride: int = 16
    in_channels: int = 3
    classes: int = 1
    activation: str | None = None
    upsampling: int | None = None
    aux_classes: int | None = None
    aux_pooling: str = "avg"
    aux_dropout: float = 0.2

    output_strides: ClassVar[tuple[int, ...]] = (8, 16)
    least_depth: ClassVar[int] = 1

    def __post_init__(self) -> None:
        name = type(self).__name__.removesuffix("Config")
        known(name, "encoder_name", self.encoder_name, ENCODERS, "is no encoder")
        if not is_integer(self.encoder_depth) or not self.least_depth <= self.encoder_depth <= 5:
            raise ArgumentError(
                name, "encoder_depth", self.encoder_depth, f"is no integer from {self.least_depth} to 5", "pass one"
            )
        if self.encoder_output_stride not in self.output_strides:
            *others, last = map(str, self.output_strides)
            raise ArgumentError(
                name, "encoder_output_stride", self.encoder_output_stride,
                f"is not {', '.join(others)} or {last}", "pass one of them",
            )  # fmt: skip
        positive(name, in_channels=self.in_channels, classes=self.classes)
        if self.aux_classes is not None:
            positive(name, aux_classes=self.aux_classes)
        if self.upsampling is not None or type(self).upsampling is not None:  # None only where it is the default
            positive(name, upsampling=self.upsampling)
        if self.activation is not None:
            one_of(name, "activation", self.activation, ACTIVATIONS)
        one_of(name, "aux_pooling", self.aux_pooling, POOLINGS)
        share(name, "aux_dropout", self.aux_dropout)

    @property
    def num_classes(self) -> int:
        """The same as ``classes``, by the name that all models of dilax have for it."""
        return self.classes
