"""Of each argument, PyTorch and we reject the same values, we at construction."""

import inspect
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from dilax.errors import ArgumentError
from interop.rules import TORCH_RULES

from .arguments import MILDER, RIGHT, RIGHT_OF_TORCH, STRICTER, VALUES, axes_of, deliberate, inputs

# These take other arguments than PyTorch's, or none; torchvision's layer is not in torch.nn.
_OTHERS = ("Transformer", "TransformerEncoder", "TransformerDecoder", "SyncBatchNorm", "FrozenBatchNorm2d")
NAMES = [name for name in TORCH_RULES if name not in _OTHERS]


def family_of(name):
    return TORCH_RULES[name].flax_type.__name__


def parameters(kind):
    named = inspect.signature(kind.__init__).parameters.values()
    return {each.name for each in named if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)} - {"self"}


def torch_rejects(name, given):
    """Whether PyTorch raises at construction, or for every input."""
    try:
        layer = getattr(torch.nn, name)(**given)
    except Exception:
        return True
    for arrays in inputs(name, family_of(name), given):
        try:
            with torch.no_grad():
                layer(*arrays)
        except Exception:
            continue
        return False
    return True


def we_reject(name, given):
    """Whether our layer raises an ArgumentError at construction."""
    kind, axes = TORCH_RULES[name].flax_type, axes_of(name)
    given = dict(given)
    for argument in ("kernel_size", "output_size", "padding" if "Pad" in name else None):
        # Where we know the axes by the number of entries, PyTorch by the layer's name.
        if not axes or given.get(argument) is None:
            continue
        if not isinstance(given[argument], tuple | list):
            given[argument] = (given[argument],) * axes
        elif argument == "padding":
            given[argument] = tuple(zip(given[argument][-2::-2], given[argument][::-2], strict=False))
    if name == "UpsamplingBilinear2d":
        given |= {"mode": "bilinear", "align_corners": True}

    if "rngs" in parameters(kind):
        given["rngs"] = nnx.Rngs(0)
    try:
        kind(**given)
    except ArgumentError:
        return True
    return False


def says_the_axes(name, argument, value):
    """Whether a tuple would be a layer over another number of axes for us."""
    pads = "Pad" in name and argument == "padding"
    named = pads or argument in ("kernel_size", "output_size")
    known = axes_of(name) * (2 if pads else 1)
    return known and named and isinstance(value, tuple | list) and 0 < len(value) != known


def disagreements(name, values):
    family = family_of(name)
    both = parameters(getattr(torch.nn, name)) & parameters(TORCH_RULES[name].flax_type)
    found = []
    for right in RIGHT_OF_TORCH.get(name) or RIGHT.get(family, [{}]):
        assert not torch_rejects(name, right)
        assert not we_reject(name, right)
        for argument in sorted(both - {"dtype"}):
            for value in values:
                if says_the_axes(name, argument, value):
                    continue
                given = right | {argument: value}
                if argument == "size":
                    given.pop("scale_factor", None)
                theirs, ours = torch_rejects(name, given), we_reject(name, given)
                if theirs != ours and not deliberate(STRICTER if ours else MILDER, f"{family}.{argument}", value):
                    found.append(f"{name}({right}): {argument}={value!r} is {'rejected' if ours else 'accepted'} by us")
    return found


@pytest.fixture(autouse=True)
def _quick_and_quiet(monkeypatch):
    for draw in ("uniform", "normal"):  # each shape would be compiled for
        monkeypatch.setattr(jax.random, draw, lambda key, shape, dtype, *bounds: jnp.asarray(np.zeros(shape, dtype)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # to start more takes longer than these layers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of some
        yield
    torch.set_num_threads(threads)


def test_each_layer_rejects_text():
    first = {family_of(name): name for name in NAMES if axes_of(name) in (0, 2)}
    assert [line for name in first.values() for line in disagreements(name, ("2",))] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_layer_rejects_what_torch_rejects(name):
    assert disagreements(name, VALUES) == []
