"""Options of torchvision's MobileNets, and of its DeepLabV3 and Lite R-ASPP on them, read off a state_dict."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dilax.errors import DilaxError
from dilax.mobilenets import V2_STAGES, V3_ARCHITECTURES, round_channels

from .inferred import InferredOptions, Shapes

# Channels of the first layer and behind each block.
_V2 = (32, *(stage.channels for stage in V2_STAGES for _ in range(stage.blocks)))
_V3 = {name: (16, *(block.channels for block in found.blocks)) for name, found in V3_ARCHITECTURES.items()}


# Above any width: a file may say that an array has 2**60 channels, and there are as many factors to try.
_WIDEST = 100


def _mobilenet_v2(shapes: Shapes) -> InferredOptions:
    options = _stages("mobilenet_v2", shapes, "features.", "conv.{}.weight", _V2)
    options["num_classes"] = _classes("mobilenet_v2", shapes, "classifier.1.weight", 2)
    return InferredOptions(options, {"output_stride": 32, "dropout": 0.2})


def _mobilenet_v3(name: str, shapes: Shapes) -> InferredOptions:
    options = _stages(name, shapes, "features.", "block.{}.0.weight", _V3[name])
    options["num_classes"] = _classes(name, shapes, "classifier.3.weight", 2)
    return InferredOptions(options, {"output_stride": 32, "dropout": 0.2})


def _lraspp(backbone: str, shapes: Shapes) -> InferredOptions:
    name = f"lraspp_{backbone}"
    options = _stages(name, shapes, "backbone.", "block.{}.0.weight", _V3[backbone])
    options["num_classes"] = _classes(name, shapes, "classifier.low_classifier.weight", 4)
    return InferredOptions(options, {"output_stride": 16})


def _deeplabv3(backbone: str, shapes: Shapes) -> InferredOptions:
    name = f"deeplabv3_{backbone}"
    options = _stages(name, shapes, "backbone.", "block.{}.0.weight", _V3[backbone])
    options["num_classes"] = _classes(name, shapes, "classifier.4.weight", 4)
    options["auxiliary_head"] = "aux_classifier.4.weight" in shapes
    branches = sum(f"classifier.0.convs.{branch}.0.weight" in shapes for branch in range(len(shapes)))
    if branches < 2:
        raise _other(name)
    dilations = tuple(12 * branch for branch in range(1, branches))
    return InferredOptions(options, {"output_stride": 16, "dilations": dilations})


def _stages(name: str, shapes: Shapes, prefix: str, last: str, usual: Sequence[int]) -> dict[str, Any]:
    """Channels of the input, and the width.

    Args:
        name: Of the model.
        shapes: Of its arrays.
        prefix: Of the layers' numbers.
        last: Of a block's last convolution, with its number left open.
        usual: Channels of the first layer and behind each block, at full width.
    """
    first = shapes.get(f"{prefix}0.0.weight", ())
    found = [_outputs(first)]
    for number in range(1, len(usual)):
        kernels = [shapes.get(f"{prefix}{number}.{last.format(place)}", ()) for place in range(4)]
        found.append(max(map(_outputs, kernels[::-1]), key=bool))  # the last one that is a kernel
    behind = _outputs(shapes.get(f"{prefix}{len(usual)}.0.weight", ()))
    width_mult = _width_mult(usual, found) if behind else None
    if width_mult is None:
        raise _other(name)
    return {"in_channels": first[1], "width_mult": width_mult}


def _outputs(kernel: tuple[int, ...]) -> int:
    """Output channels of a 2-D convolution; 0 if it is none."""
    return kernel[0] if len(kernel) == 4 else 0


def _classes(name: str, shapes: Shapes, key: str, ndim: int) -> int:
    if len(shapes.get(key, ())) != ndim:
        raise _other(name)
    return shapes[key][0]


def _width_mult(usual: Sequence[int], found: Sequence[int]) -> float | None:
    """The roundest factor that makes the usual channels those found; None if there is none."""
    ratio = found[-1] / usual[-1]
    if ratio > _WIDEST:
        return None
    for scale in (1, 4, 10, 20, 100, 1000):
        # Rounding to multiples of 8 moves the channels of the last block by less than an eighth.
        for count in range(max(1, math.floor(0.875 * ratio * scale)), math.ceil(1.125 * ratio * scale) + 1):
            if [round_channels(channels * count / scale) for channels in usual] == found:
                return count / scale
    return None


def _other(name: str) -> DilaxError:
    return DilaxError(
        f"infer_options: the state_dict is not that of {name}; "
        "pass the checkpoint of one, with torchvision's keys, or the name of its own model."
    )


#: For each model, what reads its options off a state_dict.
READERS: dict[str, Callable[[Shapes], InferredOptions]] = {
    "mobilenet_v2": _mobilenet_v2,
    "mobilenet_v3_large": partial(_mobilenet_v3, "mobilenet_v3_large"),
    "mobilenet_v3_small": partial(_mobilenet_v3, "mobilenet_v3_small"),
    "deeplabv3_mobilenet_v3_large": partial(_deeplabv3, "mobilenet_v3_large"),
    "lraspp_mobilenet_v3_large": partial(_lraspp, "mobilenet_v3_large"),
}
