"""Options of torchvision's and timm's ResNets, and of torchvision's DeepLabV3 and FCN on them."""

from typing import Any

from dilax.architectures import ARCHITECTURES, Architecture
from dilax.errors import DilaxError

from .inferred import InferredOptions, Shapes

_SEGMENTATION = ("deeplabv3_resnet50", "deeplabv3_resnet101", "fcn_resnet50", "fcn_resnet101")

#: Names that :func:`infer` knows.
NAMES = (*_SEGMENTATION, *ARCHITECTURES)


def infer(name: str, shapes: Shapes) -> InferredOptions:
    """As :func:`interop.infer_options`, for one of :data:`NAMES`."""
    found = _name(shapes)
    if found != name:
        what = "no ResNet that dilax has" if found is None else found
        raise DilaxError(
            f"infer_options: the state_dict is that of {what}, and not of {name}; "
            "pass the checkpoint of one, with torchvision's or timm's keys, or the name of its own model."
        )
    if name in ARCHITECTURES:
        stem = "conv1.0.weight" if ARCHITECTURES[name].stem else "conv1.weight"
        options = {"in_channels": shapes[stem][1], "num_classes": shapes["fc.weight"][0]}
        grid = {"multi_grid": None} if ARCHITECTURES[name].bottleneck else {}
        return InferredOptions(options, {"output_stride": 32} | grid)
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


def _name(shapes: Shapes) -> str | None:
    """Name of the model that has these arrays, as torchvision's, timm's and dilax's names have it."""
    prefix = "backbone." if "backbone.conv1.weight" in shapes else ""
    found = _architecture(shapes, prefix)
    architecture = None if found is None else _BY_SIGNATURE.get(found)
    if architecture is None or not prefix:
        return architecture if len(shapes.get("fc.weight", ())) == 2 else None
    head = (
        "deeplabv3" if "classifier.0.convs.0.0.weight" in shapes else "fcn" if "classifier.0.weight" in shapes else ""
    )
    name = f"{head}_{architecture}"
    return name if name in _SEGMENTATION and len(shapes.get("classifier.4.weight", ())) == 4 else None


# What shapes show of an architecture: depths, stem, channels of the first 3x3 convolution and of its kernel, the number
# of convolutions of a block, where a shortcut has its convolution, and what the attention is.
_Signature = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], bool, bool, str]


def _signature(found: Architecture) -> _Signature:
    kernel = (found.groups * found.width_per_group, found.width_per_group)
    return found.depths, found.stem, kernel, found.bottleneck, found.average_shortcut, found.attention


_BY_SIGNATURE = {_signature(found): name for name, found in ARCHITECTURES.items()}


_DEEP_STEM = ("conv1.0.weight", "conv1.3.weight", "conv1.6.weight")
_ATTENTIONS = {"se": "layer1.0.se.fc1.weight", "eca": "layer1.0.se.conv.weight"}
_TELLING = (
    *("conv1.weight", *_DEEP_STEM, "layer1.0.conv2.weight", "layer1.0.conv3.weight", "layer2.0.downsample.1.weight"),
    *_ATTENTIONS.values(),
)


def _architecture(shapes: Shapes, prefix: str) -> _Signature | None:
    """The signature of a network whose keys begin with ``prefix``, or None where it is no ResNet."""
    own = {key: shapes[prefix + key] for key in _TELLING if prefix + key in shapes}
    stem = tuple(own[key][0] for key in _DEEP_STEM if own.get(key))
    if len(own.get(_DEEP_STEM[0] if stem else "conv1.weight", ())) != 4:
        return None
    return (
        tuple(_blocks(shapes, f"{prefix}layer{stage}.") for stage in (1, 2, 3, 4)),
        stem,
        own.get("layer1.0.conv2.weight", ())[:2],
        "layer1.0.conv3.weight" in own,
        len(own.get("layer2.0.downsample.1.weight", ())) == 4,
        next((kind for kind, key in _ATTENTIONS.items() if key in own), ""),
    )


def _blocks(shapes: Shapes, stage: str) -> int:
    count = 0
    while f"{stage}{count}.conv1.weight" in shapes:
        count += 1
    return count
