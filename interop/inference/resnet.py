"""Options of torchvision's ResNets, and of its DeepLabV3 and FCN on them."""

from collections.abc import Mapping
from typing import Any

from dilax.errors import DilaxError

from .inferred import InferredOptions

# By the blocks of each stage, the outputs and inputs of layer1.0.conv2, and whether blocks have three convolutions.
# What dilax.models.resnet says too, which imports JAX.
_ARCHITECTURES: dict[tuple[tuple[int, ...], tuple[int, ...], bool], str] = {
    ((2, 2, 2, 2), (64, 64), False): "resnet18",
    ((3, 4, 6, 3), (64, 64), False): "resnet34",
    ((3, 4, 6, 3), (64, 64), True): "resnet50",
    ((3, 4, 23, 3), (64, 64), True): "resnet101",
    ((3, 8, 36, 3), (64, 64), True): "resnet152",
    ((3, 4, 6, 3), (128, 4), True): "resnext50_32x4d",
    ((3, 4, 23, 3), (256, 8), True): "resnext101_32x8d",
    ((3, 4, 6, 3), (128, 128), True): "wide_resnet50_2",
}

#: Names that :func:`infer` knows.
NAMES = (
    *("deeplabv3_resnet50", "deeplabv3_resnet101", "fcn_resnet50", "fcn_resnet101"),
    *_ARCHITECTURES.values(),
)


def infer(name: str, state_dict: Mapping[str, Any]) -> InferredOptions:
    """As :func:`interop.infer_options`, for one of :data:`NAMES`."""
    shapes = {str(key): tuple(array.shape) for key, array in state_dict.items()}
    found = _name(shapes)
    if found != name:
        what = "no model of torchvision's that dilax has" if found is None else found
        raise DilaxError(
            f"infer_options: the state_dict is that of {what}, and not of {name}; "
            "pass the checkpoint of one, with torchvision's keys, or the name of its own model."
        )
    if name in _ARCHITECTURES.values():
        options = {"in_channels": shapes["conv1.weight"][1], "num_classes": shapes["fc.weight"][0]}
        dilated = {"output_stride": 32, "multi_grid": None}
        return InferredOptions(options, dilated if "layer1.0.conv3.weight" in shapes else {})
    options = {
        "in_channels": shapes["backbone.conv1.weight"][1],
        "num_classes": shapes["classifier.4.weight"][0],
        "auxiliary_head": "aux_classifier.4.weight" in shapes,
    }
    assumed: dict[str, Any] = {"output_stride": 8, "multi_grid": None}
    if name.startswith("deeplabv3"):
        branches = sum(f"classifier.0.convs.{branch}.0.weight" in shapes for branch in range(len(shapes)))
        assumed["dilations"] = tuple(12 * branch for branch in range(1, branches))
    return InferredOptions(options, assumed)


def _name(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Name of the model that has these arrays, as torchvision's and dilax's names have it."""
    prefix = "backbone." if "backbone.conv1.weight" in shapes else ""
    depths = tuple(_blocks(shapes, f"{prefix}layer{stage}.") for stage in (1, 2, 3, 4))
    kernel = shapes.get(f"{prefix}layer1.0.conv2.weight", ())
    architecture = _ARCHITECTURES.get((depths, kernel[:2], f"{prefix}layer1.0.conv3.weight" in shapes))
    if architecture is None or len(shapes.get(f"{prefix}conv1.weight", ())) != 4:
        return None
    if not prefix:
        return architecture if len(shapes.get("fc.weight", ())) == 2 else None
    if len(shapes.get("classifier.4.weight", ())) != 4:
        return None
    if "classifier.0.convs.0.0.weight" in shapes:
        return f"deeplabv3_{architecture}"
    return f"fcn_{architecture}" if "classifier.0.weight" in shapes else None


def _blocks(shapes: Mapping[str, Any], stage: str) -> int:
    count = 0
    while f"{stage}{count}.conv1.weight" in shapes:
        count += 1
    return count
