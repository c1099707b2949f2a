"""Each cause on a layer alone: what was planted in the Flax layer is what is found."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

import interop
from interop.verification.causes import CAUSES, Case, find
from interop.verification.layouts import channels_back, channels_last, torch_rule

from .nets import randomize


def flax_of(layer):
    """The Flax layer with the same numbers, in float64."""
    with jax.enable_x64(True):
        return interop.from_torch(copy.deepcopy(layer))


def case(layer, flax, x, *, whole=None):
    """A case in which Flax's result is what ``flax`` gives, a layer or a function of channels-last arrays."""
    with torch.no_grad():
        expected = layer(x)
    expected = expected[0] if isinstance(expected, tuple) else expected
    rule = torch_rule(layer)
    axis = 1 if x.ndim > 3 or (rule is not None and rule[1].channels) else None
    with jax.enable_x64(True):
        given = flax(jnp.asarray(channels_last(x.numpy(), axis)))
        given = np.array(given[0] if isinstance(given, tuple) else given)
    back = torch.from_numpy(np.ascontiguousarray(channels_back(given, axis)))
    place = "[0]" if isinstance(layer, torch.nn.RNNBase) else ""
    return Case("layer", layer, (x,), {place: expected}, {place: back}, flax=flax, whole=whole)


def made(make):
    torch.manual_seed(0)
    layer = make().double().eval()
    randomize(layer)
    return layer


def normal(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def kernel(change):
    def plant(flax):
        flax.kernel = nnx.Param(jnp.asarray(change(np.asarray(flax.kernel[...]))))

    return plant


def attribute(name, value):
    return lambda flax: setattr(flax, name, value)


def plain_groups(array):
    """A grouped transposed kernel (k, k, in / g, out) as a plain reshape of (k, k, in, out / g) gives it."""
    from interop.rules import TransposedChannelsLast

    weight = TransposedChannelsLast(2).to_torch(array)  # (in, out / g, k, k)
    return np.moveaxis(weight, (0, 1), (2, 3)).reshape(array.shape)


def other_gates(flax):
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        held = getattr(flax, name)
        first, second, third, fourth = np.split(np.asarray(held[...]), 4)
        setattr(flax, name, nnx.Param(jnp.asarray(np.concatenate([first, second, fourth, third]))))


def without_bias(flax):
    flax.bias = None


def swap_scale_and_bias(flax):
    flax.scale, flax.bias = flax.bias, flax.scale


nn = torch.nn
FOUND = {
    "group norm's epsilon": (
        lambda: nn.GroupNorm(2, 4), (2, 4, 5, 3), attribute("eps", 1e-6),
        "epsilon: Flax normalises with 1e-06, PyTorch with 1e-05",
    ),
    "layer norm's epsilon": (
        lambda: nn.LayerNorm(6), (2, 3, 6), attribute("eps", 0.017),
        "epsilon: Flax normalises with 0.017, PyTorch with 1e-05",
    ),
    "batch statistics": (
        lambda: nn.BatchNorm2d(4), (2, 4, 5, 3), attribute("use_running_average", False),
        "batch statistics: Flax normalises with the batch's own statistics, PyTorch with running ones",
    ),
    "padding after": (
        lambda: nn.Conv2d(3, 4, 3, stride=2, padding=1), (2, 3, 6, 8), attribute("padding", ((0, 1), (0, 1))),
        "padding side: Flax pads (0, 1) before and after each axis, PyTorch (1, 1)",
    ),
    "pooling padded after": (
        lambda: nn.MaxPool2d(3, 2, 1), (2, 3, 6, 8), lambda flax: lambda x: nnx.max_pool(x, (3, 3), (2, 2), "SAME"),
        "padding side: Flax pads (0, 1) before and after each axis, PyTorch (1, 1)",
    ),
    "align_corners": (
        lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), (2, 3, 4, 5),
        attribute("align_corners", False),
        "align_corners: Flax resizes with align_corners=False, PyTorch with True",
    ),
    "resize mode": (
        lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 4, 5), attribute("mode", "bicubic"),
        "resize mode: Flax resizes by mode='bicubic', PyTorch by another",
    ),
    "slope": (
        lambda: nn.LeakyReLU(0.1), (2, 3, 4, 5), attribute("negative_slope", 0.013),
        "activation: Flax computes leaky relu of slope 0.013, PyTorch LeakyReLU(negative_slope=0.1)",
    ),
    "missing bias": (
        lambda: nn.Conv2d(3, 4, 3), (2, 3, 5, 6), without_bias, "missing bias: Flax adds none, or one of zeros",
    ),
    "flipped kernel": (
        lambda: nn.Conv1d(3, 4, 3), (2, 3, 7), kernel(lambda array: array[::-1]),
        "flipped kernel: the taps of Flax's kernel are in the opposite order along each spatial axis",
    ),
    "transposed linear": (
        lambda: nn.Linear(5, 5), (2, 5), kernel(lambda array: array.T),
        "transposed weight: inputs and outputs are exchanged, which a square shape 5×5 hides",
    ),
    "grouped kernel": (
        lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), (2, 4, 5, 3), kernel(plain_groups),
        "grouped kernel: the 2 groups of PyTorch's weight 4×3×3×3 were not split before its channel axes were moved, "
        "so that channels lie in wrong groups",
    ),
    "reshaped weight": (
        lambda: nn.Conv2d(3, 4, 2), (2, 3, 5, 6),
        kernel(lambda array: array.transpose(3, 2, 0, 1).reshape(array.shape)),
        "reshaped weight: PyTorch's weight 4×3×2×2 was reshaped, where its axes must be moved",
    ),
    "cubic kernel": (
        lambda: nn.Conv3d(3, 3, 3), (2, 3, 4, 5, 6), kernel(lambda array: array.transpose(1, 0, 2, 3, 4)),
        "permuted axes: Flax's kernel has PyTorch's axes 3×3×3×3×3 in the order (0, 1, 3, 2, 4), which equal sizes "
        "hide",
    ),
    "gate order": (
        lambda: nn.LSTM(3, 4), (5, 2, 3), other_gates,
        "gate order: Flax has the gates in the order i, f, o, g, PyTorch in i, f, g, o",
    ),
    "scale and bias": (
        lambda: nn.BatchNorm2d(4), (2, 4, 5, 3), swap_scale_and_bias,
        "exchanged arrays: weight and bias of this layer are exchanged",
    ),
    "flattened order": (
        lambda: nn.Linear(12, 5), (2, 12), kernel(lambda array: array.reshape(3, 4, 5).swapaxes(0, 1).reshape(12, 5)),
        "channel order: the weight's 12 inputs, a flattened feature map, have the order of 3 channels before 4 places "
        "on one side and after them on the other",
    ),
}  # fmt: skip


# Those that compile little; the others take a second or more each.
QUICK = ("layer norm's epsilon", "pooling padded after", "align_corners", "resize mode", "slope", "missing bias",
         "flipped kernel", "transposed linear", "scale and bias")  # fmt: skip


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FOUND]
)
def test_what_is_planted_is_found(name):
    make, shape, plant, sentence = FOUND[name]
    layer = made(make)
    flax = flax_of(layer)
    flax = plant(flax) or flax
    found = find(case(layer, flax, normal(*shape)))
    assert found is not None
    assert found[1] == f"{sentence}; tested: with that change PyTorch's layer gives Flax's result."


@pytest.mark.slow
def test_the_channels_in_another_order():
    layer = made(lambda: nn.Conv2d(3, 4, 1))
    flax = flax_of(layer)
    one = case(layer, lambda x: flax(x)[..., jnp.array([2, 0, 3, 1])], normal(2, 3, 5, 6))
    assert find(one) == (
        "channel_order",
        "channel order: Flax has PyTorch's channels in the order 2, 0, 3, 1; "
        "tested: with that change PyTorch's layer gives Flax's result.",
    )


def test_arrays_of_another_layer():
    torch.manual_seed(0)
    whole = nn.ModuleDict({"layer": nn.Linear(4, 5), "other": nn.Linear(4, 5)}).double()
    found = find(case(whole["layer"], flax_of(whole["other"]), normal(2, 4), whole=whole))
    assert found[1].startswith("exchanged arrays: Flax has here the arrays of other; tested")


@pytest.mark.slow
def test_a_function_in_the_code_of_a_module():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

        def forward(self, x):
            return nn.functional.interpolate(
                nn.functional.gelu(self.inner(x)), scale_factor=2, mode="bilinear", align_corners=True
            )

    right = flax_of(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))
    wrong = flax_of(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
    x = normal(2, 3, 4, 5)
    one = case(Block(), lambda x: wrong(jax.nn.gelu(wrong(x), approximate=False)), x)
    assert find(one)[1].startswith("align_corners: Flax resizes with align_corners=False, PyTorch with True; ")
    one = case(Block(), lambda x: right(jax.nn.gelu(wrong(x))), x)
    assert find(one)[1].startswith(
        "activation: its own code computes gelu with the tanh approximation in Flax, gelu in PyTorch; "
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: nn.Conv2d(3, 4, 3, padding=1), lambda: nn.BatchNorm2d(3), lambda: nn.GELU()])
def test_what_is_none_of_them_is_given_no_cause(make):
    layer = made(make)
    flax = flax_of(layer)
    assert find(case(layer, lambda x: flax(x) * 1.01 + 0.3, normal(2, 3, 5, 6))) is None


def test_every_cause_has_a_sentence_that_says_what_it_is():
    assert len({cause.__name__ for cause in CAUSES}) == len(CAUSES)
    assert all(cause.__doc__ for cause in CAUSES)
