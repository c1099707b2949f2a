"""Options of dilated residual networks and of networks on VGG-16, read off a state_dict."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dilax.errors import DilaxError

from .inferred import InferredOptions

_DRN = ("a_50", "c_26", "c_42", "c_58", "d_22", "d_24", "d_38", "d_40", "d_54", "d_56", "d_105", "d_107")


def _kernel(name: str, state_dict: Mapping[str, Any], key: str) -> tuple[int, ...]:
    """Shape of a convolution's weight, or an error that names it."""
    shape = tuple(state_dict[key].shape) if key in state_dict else ()
    if len(shape) != 4:
        found = f"is {list(shape)}" if key in state_dict else "is not there"
        raise DilaxError(
            f"infer_options: {key} {found}, which in a {name} is the weight of a 2-D convolution; "
            f"pass the checkpoint of a {name}."
        )
    return shape


def _csrnet(state_dict: Mapping[str, Any]) -> InferredOptions:
    channels, in_channels = _kernel("csrnet", state_dict, "frontend.0.weight")[:2]
    _kernel("csrnet", state_dict, "backend.0.weight")
    classes = _kernel("csrnet", state_dict, "output_layer.weight")[0]
    return InferredOptions({"in_channels": in_channels, "num_classes": classes, "channels": channels}, {})


def _vgg(name: str, state_dict: Mapping[str, Any], scores: str) -> dict[str, Any]:
    channels, in_channels = _kernel(name, state_dict, "conv1_1.weight")[:2]
    classes, hidden = _kernel(name, state_dict, scores)[:2]
    return {"in_channels": in_channels, "num_classes": classes, "channels": channels, "hidden_channels": hidden}


def _fcn(name: str, upscore: str, state_dict: Mapping[str, Any]) -> InferredOptions:
    _kernel(name, state_dict, upscore)
    return InferredOptions(_vgg(name, state_dict, "score_fr.weight"), {"dropout": 0.5})


def _dilated_vgg(state_dict: Mapping[str, Any]) -> InferredOptions:
    options = _vgg("dilated_vgg", state_dict, "final.weight")
    options |= {"context": "none", "upsample": "ctx_upsample.weight" in state_dict}
    if "ctx_final.weight" in state_dict:
        width = _kernel("dilated_vgg", state_dict, "ctx_conv1_1.weight")[0]
        options["context"] = "basic" if width == options["num_classes"] else "large"
        options["levels"] = sum(bool(re.fullmatch(r"ctx_(conv\d+_\d|fc1|final)\.weight", key)) for key in state_dict)
    return InferredOptions(options, {"dropout": 0.5})


def _drn(name: str, state_dict: Mapping[str, Any]) -> InferredOptions:
    if (found := _drn_name(state_dict, "")) != name:
        raise _no_drn(name, found)
    first = _kernel(name, state_dict, "layer0.0.weight" if name.startswith("drn_d") else "conv1.weight")
    options = _drn_options(name, first, state_dict["fc.weight"].shape[0])
    return InferredOptions(options, {"pool_size": 28} | ({} if name == "drn_a_50" else {"out_map": False}))


def _drn_seg(state_dict: Mapping[str, Any]) -> InferredOptions:
    classes = _kernel("drn_seg", state_dict, "seg.weight")[0]
    base = _drn_name(state_dict, "base.")
    if base is None:
        raise _no_drn("drn_seg", base)
    first = _kernel("drn_seg", state_dict, "base.0.0.weight" if base.startswith("drn_d") else "base.0.weight")
    upsampling = "transposed" if "up.weight" in state_dict else "bilinear"
    return InferredOptions(_drn_options(base, first, classes) | {"base": base, "upsampling": upsampling}, {})


def _drn_options(base: str, first: tuple[int, ...], classes: int) -> dict[str, Any]:
    channels = first[0] // 4 if base == "drn_a_50" else first[0]
    return {"in_channels": first[1], "num_classes": classes, "channels": channels}


def _drn_name(state_dict: Mapping[str, Any], prefix: str) -> str | None:
    """Which network it is: its name says its form, and how many layers it has besides those in shortcuts."""
    own = {key.removeprefix(prefix): array for key, array in state_dict.items() if key.startswith(prefix)}
    if not prefix and "fc.weight" not in own:
        return None
    layers = 1 + sum(
        len(array.shape) == 4 and "downsample" not in key and not key.startswith("fc.") for key, array in own.items()
    )
    if ("0.0.weight" if prefix else "layer0.0.weight") in own:
        form = "d"
    elif ("9.0.conv1.weight" if prefix else "layer7.0.conv1.weight") in own:
        form = "c"
    else:
        form = "a" if _is_resnet(own, *(("0", "4") if prefix else ("conv1", "layer1"))) else ""
    return f"drn_{form}_{layers}" if f"{form}_{layers}" in _DRN else None


def _is_resnet(own: Mapping[str, Any], conv1: str, layer1: str) -> bool:
    """Whether it is no ResNeXt or wide ResNet; that it is dilated leaves no trace in a ResNet's shapes."""
    stem, block = (own.get(key) for key in (f"{conv1}.weight", f"{layer1}.0.conv2.weight"))
    return stem is not None and block is not None and tuple(block.shape[:2]) == (stem.shape[0], stem.shape[0])


def _no_drn(name: str, found: str | None) -> DilaxError:
    what = "no dilated residual network that dilax has" if found is None else f"a {found}"
    return DilaxError(
        f"infer_options: the state_dict is of {what} and not of a {name}; pass the checkpoint of a {name}."
    )


#: For each model, what reads its options off a state_dict.
READERS: dict[str, Callable[[Mapping[str, Any]], InferredOptions]] = {
    "csrnet": _csrnet,
    "dilated_vgg": _dilated_vgg,
    "fcn32s": partial(_fcn, "fcn32s", "upscore.weight"),
    "fcn16s": partial(_fcn, "fcn16s", "upscore16.weight"),
    "fcn8s": partial(_fcn, "fcn8s", "upscore8.weight"),
    **{f"drn_{name}": partial(_drn, f"drn_{name}") for name in _DRN},
    "drn_seg": _drn_seg,
}
