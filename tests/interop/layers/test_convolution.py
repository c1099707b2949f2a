import numpy as np
import pytest
import torch
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import interop
from dilax.nn import ConvTranspose
from interop.rules import TransposedChannelsLast
from interop.testing import randomise

from .parity import check

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
        torch.nn.Conv2d(3, 5, (3, 2), padding="same", dilation=2, bias=False),
        torch.nn.Conv3d(2, 4, 3, padding=(1, 0, 2)),
        torch.nn.Conv1d(3, 4, 4, padding="same", padding_mode="circular"),
        torch.nn.Conv2d(4, 6, 3, stride=(2, 1), padding=(2, 1), groups=2, padding_mode="reflect"),
        torch.nn.Conv2d(3, 2, (2, 3), padding="same", dilation=(3, 1), padding_mode="replicate"),
        torch.nn.ConvTranspose1d(6, 9, 3, stride=2, padding=1, output_padding=1, groups=3),
        torch.nn.ConvTranspose2d(
            4, 6, (3, 2), stride=(2, 1), dilation=(1, 2), output_padding=(0, 1), groups=2, bias=False
        ),
    ],
    ids=str,
)
def test_conv(module):
    axes = module.weight.ndim - 2
    check(randomise(module), RNG.normal(size=(2, module.in_channels, *(9, 8, 7)[:axes])))


def test_one_image_without_a_batch():
    check(randomise(torch.nn.Conv2d(3, 5, 3, padding=1)), RNG.normal(size=(3, 7, 6)))
    check(randomise(torch.nn.ConvTranspose2d(3, 5, 3)), RNG.normal(size=(3, 7, 6)))


def draw_each(data, axes, low, high):
    return data.draw(st.tuples(*[st.integers(low, high)] * axes))


@pytest.mark.slow
@given(data=st.data(), axes=st.integers(1, 3))
@settings(deadline=None)
def test_every_transposed_convolution(data, axes):
    groups, inner, outer = data.draw(st.tuples(st.sampled_from([1, 2, 3]), st.integers(1, 3), st.integers(1, 3)))
    kernel_size, stride, dilation = (draw_each(data, axes, 1, most) for most in (3, 3, 2))
    output_padding = tuple(
        data.draw(st.integers(0, max(step, rate) - 1)) for step, rate in zip(stride, dilation, strict=True)
    )
    length = draw_each(data, axes, 2, 4)
    padding = tuple(
        data.draw(st.integers(0, min(2, ((n - 1) * step + rate * (taps - 1)) // 2)))
        for n, step, rate, taps in zip(length, stride, dilation, kernel_size, strict=True)
    )
    module = getattr(torch.nn, f"ConvTranspose{axes}d")(
        groups * inner,
        groups * outer,
        kernel_size,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        dilation=dilation,
        bias=data.draw(st.booleans()),
    )
    check(randomise(module), np.random.default_rng(0).normal(size=(2, groups * inner, *length)))


# torch says that it copies the input for an even kernel; that is its own affair.
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.slow
@given(data=st.data(), axes=st.integers(1, 3))
@settings(deadline=None)
def test_every_padding_mode(data, axes):
    kernel_size, dilation = draw_each(data, axes, 1, 3), draw_each(data, axes, 1, 2)
    same = data.draw(st.booleans())
    length = draw_each(data, axes, 5, 6)
    module = getattr(torch.nn, f"Conv{axes}d")(
        2,
        3,
        kernel_size,
        stride=1 if same else draw_each(data, axes, 1, 2),
        padding="same" if same else draw_each(data, axes, 0, 3),
        dilation=dilation,
        padding_mode=data.draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    )
    check(randomise(module), np.random.default_rng(0).normal(size=(2, 2, *length)))


@pytest.mark.parametrize("size", [(7, 10), (8, 11), (8, 12)])
def test_an_output_size_decides_the_output_padding(size):
    module = torch.nn.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=1)
    x = torch.randn(2, 2, 4, 4)
    ours = interop.from_torch(module)(x.movedim(1, -1).numpy(), output_size=size)
    theirs = module(x, output_size=size).movedim(1, -1).detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@given(
    groups=st.integers(1, 4),
    inner=st.integers(1, 3),
    outer=st.integers(1, 3),
    kernel_size=st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
def test_the_transposed_layout_is_a_bijection(groups, inner, outer, kernel_size):
    layout = TransposedChannelsLast(groups)
    shape = (groups * inner, outer, *kernel_size)
    array = np.random.default_rng(0).normal(size=shape)
    laid = layout.to_flax(array)
    assert laid.shape == (*kernel_size, inner, groups * outer)
    assert layout.torch_shape(laid.shape) == shape
    assert layout.to_torch(laid).tobytes() == array.tobytes()
    # Output channel g * outer + o of our kernel reads input channels of group g.
    g, i, o = groups - 1, inner - 1, outer - 1
    np.testing.assert_array_equal(laid[..., i, g * outer + o], array[g * inner + i, o])


def test_initial_values_have_torchs_bounds():
    module = torch.nn.ConvTranspose2d(8, 12, (3, 5), groups=2)
    ours = ConvTranspose(8, 12, (3, 5), groups=2, rngs=nnx.Rngs(0))
    bound = 1 / np.sqrt(6 * 15)
    for theirs, array in ((module.weight, ours.kernel), (module.bias, ours.bias)):
        assert float(theirs.detach().abs().max()) <= bound
        assert np.abs(array[...]).max() <= bound
    for array in (module.weight.detach().numpy(), np.asarray(ours.kernel[...])):
        np.testing.assert_allclose(array.std(), bound / np.sqrt(3), rtol=0.1)
