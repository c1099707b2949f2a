"""A convolution in two: over space within each channel, then over the channels at each place."""

from collections.abc import Sequence

from flax import nnx

from ..ops.arguments import Padding
from .containers import Sequential
from .convolution import Conv


class SeparableConv(Sequential):
    """A depthwise convolution, which has no bias, and one of a single tap that mixes the channels.

    The keys are those of segmentation_models_pytorch's ``SeparableConv2d``: ``0.weight``, ``1.weight``, ``1.bias``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps along each spatial axis; its length says how many axes there are.
        stride: As for :class:`dilax.nn.Conv`, as the next two; of the depthwise convolution.
        padding: As there.
        dilation: As there.
        bias: Whether the second convolution has a bias.
        kernel_init: What both kernels begin with, as for :class:`dilax.nn.Conv`.
        rngs: Where the initial values come from.

    Raises:
        ArgumentError: An argument is out of range, or ``kernel_size`` is a bare integer.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2017, without the nonlinearity
    between the two; dilated: Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
    Segmentation", 2018, section 3.1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Padding = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
        kernel_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        depthwise = Conv(
            in_channels, in_channels, kernel_size, stride=stride, padding=padding, dilation=dilation,
            groups=in_channels, bias=False, kernel_init=kernel_init, rngs=rngs,
        )  # fmt: skip
        one = (1,) * len(depthwise.kernel_size)
        pointwise = Conv(in_channels, out_channels, one, bias=bias, kernel_init=kernel_init, rngs=rngs)
        super().__init__([depthwise, pointwise])
