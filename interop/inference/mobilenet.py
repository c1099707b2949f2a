"""Options of torchvision's MobileNets, read off a state_dict."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from dilax.errors import DilaxError

from .inferred import InferredOptions

Shapes = dict[str, tuple[int, ...]]

# Channels of the first layer and behind each block, which dilax.models has too, but that imports JAX.
_V2 = (32, 16, *[24] * 2, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320)


def _mobilenet_v2(state_dict: Mapping[str, Any]) -> InferredOptions:
    shapes = _shapes(state_dict)
    widths = [_outputs(shapes, f"features.{number}.conv.{1 if number == 1 else 2}.weight") for number in range(1, 18)]
    width_mult = _width_mult(_V2, [_outputs(shapes, "features.0.0.weight"), *widths])
    if width_mult is None or len(shapes.get("classifier.1.weight", ())) != 2:
        raise _other("mobilenet_v2")
    options = {
        "in_channels": shapes["features.0.0.weight"][1],
        "width_mult": width_mult,
        "num_classes": shapes["classifier.1.weight"][0],
    }
    return InferredOptions(options, {"output_stride": 32, "dropout": 0.2})


def _shapes(state_dict: Mapping[str, Any]) -> Shapes:
    return {str(key): tuple(array.shape) for key, array in state_dict.items()}


def _outputs(shapes: Shapes, key: str) -> int:
    """Output channels of a 2-D convolution; 0 if it is not there."""
    shape = shapes.get(key, ())
    return shape[0] if len(shape) == 4 else 0


def _width_mult(usual: tuple[int, ...], found: list[int]) -> float | None:
    """The roundest factor that makes the usual channels those found; None if there is none."""
    ratio = found[-1] / usual[-1]
    for scale in (1, 4, 10, 20, 100, 1000):
        # Rounding to multiples of 8 moves the channels of the last block by less than an eighth.
        for count in range(max(1, math.floor(0.875 * ratio * scale)), math.ceil(1.125 * ratio * scale) + 1):
            if [_rounded(channels * count / scale) for channels in usual] == found:
                return count / scale
    return None


def _rounded(channels: float) -> int:
    """As :func:`dilax.models.mobilenet.round_channels`."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _other(name: str) -> DilaxError:
    return DilaxError(
        f"infer_options: the state_dict is not that of {name}; "
        "pass the checkpoint of one, with torchvision's keys, or the name of its own model."
    )


#: For each model, what reads its options off a state_dict.
READERS: dict[str, Callable[[Mapping[str, Any]], InferredOptions]] = {"mobilenet_v2": _mobilenet_v2}
