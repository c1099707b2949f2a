"""Options of timm's MobileNets, read off a state_dict."""

from collections.abc import Callable
from functools import partial

from dilax.errors import DilaxError

from .inferred import InferredOptions, Shapes

# The shapes of arrays that all three models have, or each has alone, without the channels of the input.
_SIGNATURES: dict[str, dict[str, tuple[int, ...]]] = {
    "timm_mobilenetv2_100": {
        "blocks.5.0.conv_pw.weight": (576, 96, 1, 1),
        "blocks.6.0.conv_pwl.weight": (320, 960, 1, 1),
        "conv_head.weight": (1280, 320, 1, 1),
    },
    "timm_mobilenetv3_large_100": {
        "blocks.5.0.se.conv_reduce.weight": (168, 672, 1, 1),
        "blocks.6.0.conv.weight": (960, 160, 1, 1),
        "conv_head.bias": (1280,),
    },
    "timm_mobilenetv3_small_100": {
        "blocks.4.0.se.conv_reduce.weight": (72, 288, 1, 1),
        "blocks.5.0.conv.weight": (576, 96, 1, 1),
        "conv_head.bias": (1024,),
    },
}


def _mobilenet(name: str, shapes: Shapes) -> InferredOptions:
    stem, scores = shapes.get("conv_stem.weight", ()), shapes.get("classifier.weight", ())
    fits = all(shapes.get(key) == shape for key, shape in _SIGNATURES[name].items())
    if not fits or len(stem) != 4 or len(scores) != 2:
        raise DilaxError(
            f"infer_options: the state_dict is not that of {name}; "
            "pass the checkpoint of one, with timm's keys, or the name of its own model."
        )
    options = {"in_channels": stem[1], "num_classes": scores[0]}
    return InferredOptions(options, {"output_stride": 32, "dropout": 0.0})


#: For each model, what reads its options off a state_dict.
READERS: dict[str, Callable[[Shapes], InferredOptions]] = {name: partial(_mobilenet, name) for name in _SIGNATURES}
