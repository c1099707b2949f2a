"""Options of dilated residual networks and of networks on VGG-16, read off a state_dict."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from dilax.errors import DilaxError

from .inferred import InferredOptions, Shapes

_DRN = ("a_50", "c_26", "c_42", "c_58", "d_22", "d_24", "d_38", "d_40", "d_54", "d_56", "d_105", "d_107")


def _kernel(name: str, shapes: Shapes, key: str) -> tuple[int, ...]:
    """Shape of a convolution's weight, or an error that names it."""
    shape = shapes.get(key, ())
    if len(shape) != 4:
        found = f"is {list(shape)}" if key in shapes else "is not there"
        raise DilaxError(
            f"infer_options: {key} {found}, which in a {name} is the weight of a 2-D convolution; "
            f"pass the checkpoint of a {name}."
        )
    return shape


def _csrnet(shapes: Shapes) -> InferredOptions:
    channels, in_channels = _kernel("csrnet", shapes, "frontend.0.weight")[:2]
    _kernel("csrnet", shapes, "backend.0.weight")
    classes = _kernel("csrnet", shapes, "output_layer.weight")[0]
    return InferredOptions({"in_channels": in_channels, "num_classes": classes, "channels": channels}, {})


def _vgg(name: str, shapes: Shapes, scores: str) -> dict[str, Any]:
    channels, in_channels = _kernel(name, shapes, "conv1_1.weight")[:2]
    classes, hidden = _kernel(name, shapes, scores)[:2]
    return {"in_channels": in_channels, "num_classes": classes, "channels": channels, "hidden_channels": hidden}


def _fcn(name: str, upscore: str, shapes: Shapes) -> InferredOptions:
    _kernel(name, shapes, upscore)
    return InferredOptions(_vgg(name, shapes, "score_fr.weight"), {"dropout": 0.5})


def _dilated_vgg(shapes: Shapes) -> InferredOptions:
    options = _vgg("dilated_vgg", shapes, "final.weight")
    options |= {"context": "none", "upsample": "ctx_upsample.weight" in shapes}
    if "ctx_final.weight" in shapes:
        width = _kernel("dilated_vgg", shapes, "ctx_conv1_1.weight")[0]
        options["context"] = "basic" if width == options["num_classes"] else "large"
        options["levels"] = sum(bool(re.fullmatch(r"ctx_(conv\d+_\d|fc1|final)\.weight", key)) for key in shapes)
    return InferredOptions(options, {"dropout": 0.5})


def _drn(name: str, shapes: Shapes) -> InferredOptions:
    if (found := _drn_name(shapes, "")) != name:
        raise _no_drn(name, found)
    first = _kernel(name, shapes, "layer0.0.weight" if name.startswith("drn_d") else "conv1.weight")
    options = _drn_options(name, first, shapes["fc.weight"][0])
    return InferredOptions(options, {"pool_size": 28} | ({} if name == "drn_a_50" else {"out_map": False}))


def _drn_seg(shapes: Shapes) -> InferredOptions:
    classes = _kernel("drn_seg", shapes, "seg.weight")[0]
    base = _drn_name(shapes, "base.")
    if base is None:
        raise _no_drn("drn_seg", base)
    first = _kernel("drn_seg", shapes, "base.0.0.weight" if base.startswith("drn_d") else "base.0.weight")
    upsampling = "transposed" if "up.weight" in shapes else "bilinear"
    return InferredOptions(_drn_options(base, first, classes) | {"base": base, "upsampling": upsampling}, {})


def _drn_options(base: str, first: tuple[int, ...], classes: int) -> dict[str, Any]:
    channels = first[0] // 4 if base == "drn_a_50" else first[0]
    return {"in_channels": first[1], "num_classes": classes, "channels": channels}


def _drn_name(shapes: Shapes, prefix: str) -> str | None:
    """Which network it is: its name says its form, and how many layers it has besides those in shortcuts."""
    if not prefix and not shapes.get("fc.weight"):
        return None
    if ("base.0.0.weight" if prefix else "layer0.0.weight") in shapes:
        form = "d"
    elif ("base.9.0.conv1.weight" if prefix else "layer7.0.conv1.weight") in shapes:
        form = "c"
    elif _is_resnet(shapes, *(("base.0", "base.4") if prefix else ("conv1", "layer1"))):
        form = "a"
    else:
        return None
    layers = 1 + sum(
        len(shape) == 4 and key.startswith(prefix) and "downsample" not in key and not key.startswith(f"{prefix}fc.")
        for key, shape in shapes.items()
    )
    return f"drn_{form}_{layers}" if f"{form}_{layers}" in _DRN else None


def _is_resnet(shapes: Shapes, conv1: str, layer1: str) -> bool:
    """Whether it is no ResNeXt or wide ResNet; that it is dilated leaves no trace in a ResNet's shapes."""
    stem, block = (shapes.get(key) for key in (f"{conv1}.weight", f"{layer1}.0.conv2.weight"))
    return stem is not None and block is not None and block[:2] == stem[:1] * 2


def _no_drn(name: str, found: str | None) -> DilaxError:
    what = "no dilated residual network that dilax has" if found is None else f"a {found}"
    return DilaxError(
        f"infer_options: the state_dict is of {what} and not of a {name}; pass the checkpoint of a {name}."
    )


#: For each model, what reads its options off a state_dict.
READERS: dict[str, Callable[[Shapes], InferredOptions]] = {
    "csrnet": _csrnet,
    "dilated_vgg": _dilated_vgg,
    "fcn32s": partial(_fcn, "fcn32s", "upscore.weight"),
    "fcn16s": partial(_fcn, "fcn16s", "upscore16.weight"),
    "fcn8s": partial(_fcn, "fcn8s", "upscore8.weight"),
    **{f"drn_{name}": partial(_drn, f"drn_{name}") for name in _DRN},
    "drn_seg": _drn_seg,
}
