"""The convolutions of VGG-16, of which several networks for dense prediction are made."""

from flax import nnx

from ..nn import Conv, ReLU


def vgg_stage(
    number: int,
    in_channels: int,
    channels: int,
    *,
    padding: int = 1,
    first_padding: int | None = None,
    dilation: int = 1,
    kernel_init: nnx.Initializer | None = None,
    bias_init: nnx.Initializer | None = None,
    rngs: nnx.Rngs,
) -> dict[str, nnx.Module]:
    """The layers of one of the five stages by their names, such as ``conv2_1`` and ``relu2_1``, without the pooling.

    Args:
        number: Which stage, from 1.
        in_channels: Channels of the stage's input.
        channels: Channels of the stage's output; see :func:`vgg_channels`.
        padding: Of each 3x3 convolution.
        first_padding: Of the stage's first one, if it differs.
        dilation: Of each.
        kernel_init: As for :class:`dilax.nn.Conv`.
        bias_init: As there.
        rngs: Where the initial values come from.

    Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
    """
    layers: dict[str, nnx.Module] = {}
    for place in range(1, 3 if number < 3 else 4):
        first = place == 1
        layers[f"conv{number}_{place}"] = Conv(
            in_channels if first else channels,
            channels,
            (3, 3),
            padding=first_padding if first and first_padding is not None else padding,
            dilation=dilation,
            kernel_init=kernel_init,
            bias_init=bias_init,
            rngs=rngs,
        )
        layers[f"relu{number}_{place}"] = ReLU()
    return layers


def vgg_channels(number: int, channels: int) -> int:
    """Channels of a stage's output where those of the first stage's are ``channels``."""
    return channels * min(2 ** (number - 1), 8)
