"""Read a model's options off the shapes of its state_dict."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dilax.errors import ArgumentError, DilaxError

from . import classic, mobilenet, resnet, smp, timm_mobilenet
from .inferred import InferredOptions as InferredOptions


def infer_options(name: str, state_dict: Mapping[str, Any]) -> InferredOptions:
    """Find the options with which :func:`dilax.models.create` builds the model of a state_dict.

    Args:
        name: The model's name.
        state_dict: Names to arrays in PyTorch's layout; only their shapes are looked at. All names may begin with the
            same word, as ``module.`` of ``torch.nn.DataParallel``.

    Raises:
        ArgumentError: No such model.
        DilaxError: The state_dict is not one of this model.
    """
    if name not in _INFER:
        raise ArgumentError("infer_options", "name", name, "is no model", f"pass one of {', '.join(_INFER)}")
    try:
        return _INFER[name](state_dict)
    except DilaxError as error:
        found = _below(name, state_dict)
        if found is None:
            raise error from None
        return found


def _below(name: str, state_dict: Mapping[str, Any]) -> InferredOptions | None:
    """The options of a model whose keys all begin with one word; None if there are none.

    Raises:
        DilaxError: There are other keys beside the model's.
    """
    words = Counter(key.partition(".")[0] for key in state_dict if "." in key)
    if not words:
        return None
    prefix = f"{words.most_common(1)[0][0]}."
    try:
        found = infer_options(
            name, {key[len(prefix) :]: state_dict[key] for key in state_dict if key.startswith(prefix)}
        )
    except DilaxError:
        return None
    others = [key for key in state_dict if not key.startswith(prefix)]
    if others:
        listed = ", ".join(others[:8]) + (f" and {len(others) - 8} more" if len(others) > 8 else "")
        raise DilaxError(
            f"infer_options: the keys of a {name} begin with {prefix!r}, beside which the state_dict has {listed}; "
            "leave them out, as ignore of interop.load and --ignore of dilax convert do."
        )
    return found


def _meshnet(state_dict: Mapping[str, Any]) -> InferredOptions:
    pattern = re.compile(r"model\.(\d+)\.weight")
    kernels = {
        int(match[1]): tuple(array.shape)
        for key, array in state_dict.items()
        if (match := pattern.fullmatch(key)) and len(array.shape) == 5
    }
    places = sorted(kernels)
    steps = {later - earlier for earlier, later in itertools.pairwise(places)}
    batch_norm = any(key.endswith("running_mean") for key in state_dict)
    # Between two convolutions stand an activation and, where they are used, a batch norm before and a dropout after it.
    dropouts = steps.pop() - 2 - batch_norm if len(steps) == 1 else -1
    if len(places) != 10 or dropouts not in (0, 1):
        raise DilaxError(
            f"infer_options: the state_dict has {len(places)} 5-D weights under model.N.weight where a meshnet has 10, "
            "evenly spaced; pass the checkpoint of a MeshNet, with its keys model.0.weight, model.2.weight and so on."
        )
    channels, in_channels = kernels[places[0]][:2]
    options = {
        "in_channels": in_channels,
        "channels": channels,
        "num_classes": kernels[places[-1]][0],
        "batch_norm": batch_norm,
    }
    assumed: dict[str, Any] = {"activation": "relu"}
    (assumed if dropouts else options)["dropout"] = 0.1 if dropouts else 0.0
    return InferredOptions(options, assumed)


_INFER: dict[str, Callable[[Mapping[str, Any]], InferredOptions]] = {
    "meshnet": _meshnet,
    **{name: partial(resnet.infer, name) for name in resnet.NAMES},
    **classic.READERS,
    **{name: partial(smp.infer, name) for name in smp.NAMES},
    **mobilenet.READERS,
    **timm_mobilenet.READERS,
}

#: Names that :func:`infer_options` knows.
MODELS = tuple(_INFER)
