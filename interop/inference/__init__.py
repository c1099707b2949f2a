"""Read a model's options off the shapes of its state_dict."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from dilax.errors import ArgumentError, DilaxError

from . import classic, mobilenet, resnet, smp, timm_mobilenet
from .inferred import InferredOptions as InferredOptions
from .inferred import Shapes

# Words that stand before all keys, one inside the other: of what wraps a model, and of what wraps that.
_WRAPPERS = 8


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
    return _infer(name, _levels(state_dict))


def fitting(state_dict: Mapping[str, Any]) -> dict[str, InferredOptions]:
    """All models that a state_dict could be of, with what :func:`infer_options` says of each."""
    levels = _levels(state_dict)
    found = {}
    for name in _INFER:
        with suppress(DilaxError):
            found[name] = _infer(name, levels)
    return found


@dataclass(frozen=True)
class _Level:
    """A state_dict, or the part of it whose keys begin with one word, without that word.

    Attributes:
        shapes: Of its arrays.
        prefix: The word, with a dot.
        others: Keys that do not begin with it.
    """

    shapes: Shapes
    prefix: str = ""
    others: tuple[str, ...] = ()


def _levels(state_dict: Mapping[str, Any]) -> list[_Level]:
    """The state_dict, and what is left of it when words before its keys are taken away one after another."""
    shapes = {str(key): tuple(array.shape) for key, array in state_dict.items()}
    levels = [_Level(shapes)]
    while len(levels) <= _WRAPPERS:
        words = Counter(key.partition(".")[0] for key in shapes if "." in key)
        if not words:
            break
        prefix = f"{words.most_common(1)[0][0]}."
        others = tuple(key for key in shapes if not key.startswith(prefix))
        if others and len(levels) > 1:
            break
        shapes = {key[len(prefix) :]: shape for key, shape in shapes.items() if key.startswith(prefix)}
        levels.append(_Level(shapes, prefix, others))
    return levels


def _infer(name: str, levels: Sequence[_Level]) -> InferredOptions:
    """The options of a model behind the fewest words.

    Raises:
        DilaxError: There is none, or other keys stand beside its own.
    """
    problem: DilaxError | None = None
    for level in levels:
        try:
            found = _INFER[name](level.shapes)
        except DilaxError as error:
            problem = problem or error
            continue
        if level is not levels[0] and (others := levels[1].others):
            listed = ", ".join(others[:8]) + (f" and {len(others) - 8} more" if len(others) > 8 else "")
            raise DilaxError(
                f"infer_options: the keys of a {name} begin with {levels[1].prefix!r}, beside which the state_dict has "
                f"{listed}; leave them out, as ignore of interop.load and --ignore of dilax convert do."
            )
        return found
    raise problem or DilaxError(f"infer_options: the state_dict is not that of {name}; pass the checkpoint of one.")


def _meshnet(shapes: Shapes) -> InferredOptions:
    pattern = re.compile(r"model\.(\d+)\.weight")
    kernels = {
        int(match[1]): shape for key, shape in shapes.items() if len(shape) == 5 and (match := pattern.fullmatch(key))
    }
    places = sorted(kernels)
    steps = {later - earlier for earlier, later in itertools.pairwise(places)}
    batch_norm = any(key.endswith("running_mean") for key in shapes)
    # Between two convolutions stand an activation and, where they are used, a batch norm before and a dropout after it.
    dropouts = steps.pop() - 2 - batch_norm if len(steps) == 1 else -1
    if len(places) != 10 or dropouts not in (0, 1):
        raise DilaxError(
            f"infer_options: the state_dict has {len(places)} 5-D weights under model.N.weight where a meshnet has 10, "
            "evenly spaced; pass the checkpoint of a MeshNet, with its keys model.0.weight, model.2.weight and so on."
        )
    channels, in_channels = kernels[places[0]][:2]
    options: dict[str, Any] = {
        "in_channels": in_channels,
        "channels": channels,
        "num_classes": kernels[places[-1]][0],
        "batch_norm": batch_norm,
    }
    assumed: dict[str, Any] = {"activation": "relu"}
    (assumed if dropouts else options)["dropout"] = 0.1 if dropouts else 0.0
    return InferredOptions(options, assumed)


_INFER: dict[str, Callable[[Shapes], InferredOptions]] = {
    "meshnet": _meshnet,
    **{name: partial(resnet.infer, name) for name in resnet.NAMES},
    **classic.READERS,
    **{name: partial(smp.infer, name) for name in smp.NAMES},
    **mobilenet.READERS,
    **timm_mobilenet.READERS,
}

#: Names that :func:`infer_options` knows.
MODELS = tuple(_INFER)
