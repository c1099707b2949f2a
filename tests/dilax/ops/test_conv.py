"""conv against torch.nn.functional and against an oracle written as loops."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dilax.errors import ArgumentError
from dilax.ops import conv, conv_transpose


def by_loops(x, kernel, stride, pads, dilation, groups):
    """A convolution from its definition, in float64."""
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    size = [
        (length - rate * (taps - 1) - 1) // step + 1
        for length, rate, taps, step in zip(x.shape[1:-1], dilation, kernel.shape, stride, strict=False)
    ]
    c_group, c_out = kernel.shape[-2:]
    out = np.zeros((x.shape[0], *size, c_out))
    for place in itertools.product(*map(range, size)):
        for tap in itertools.product(*map(range, kernel.shape[:-2])):
            here = tuple(p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True))
            for channel in range(c_out):
                first = channel // (c_out // groups) * c_group
                seen = x[(slice(None), *here, slice(first, first + c_group))]
                out[(slice(None), *place, channel)] += seen @ kernel[(*tap, slice(None), channel)]
    return out


def arrays(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


@given(data=st.data(), axes=st.integers(1, 3))
@settings(deadline=None)
def test_equals_the_definition(data, axes):
    def draw(low, high):
        return data.draw(st.tuples(*[st.integers(low, high)] * axes))

    groups = data.draw(st.integers(1, 2))
    kernel_size, stride, dilation = draw(1, 3), draw(1, 2), draw(1, 2)
    pads = tuple(zip(draw(0, 2), draw(0, 2), strict=True))
    size = tuple(rate * (taps - 1) + extra for rate, taps, extra in zip(dilation, kernel_size, draw(1, 3), strict=True))
    x, kernel = arrays((2, *size, 2 * groups), (*kernel_size, 2, 3 * groups))
    arguments = {"stride": stride, "dilation": dilation, "groups": groups}
    with jax.enable_x64(True):
        y = conv(jnp.asarray(x), jnp.asarray(kernel), padding=pads, **arguments)
    expected = by_loops(x, kernel, stride, pads, dilation, groups)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


# torch says that it copies the input for an even kernel; that is its own affair.
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("padding", [0, 2, (1, 0, 3), "same", "valid"])
@pytest.mark.parametrize("dilation", [1, (2, 1, 3)])
def test_volumes_and_their_gradients_equal_torchs(padding, dilation):
    x, kernel = arrays((2, 7, 8, 9, 3), (3, 2, 3, 3, 4))
    tx = torch.tensor(x).movedim(-1, 1).requires_grad_()
    tk = torch.tensor(kernel).movedim((-1, -2), (0, 1)).requires_grad_()
    expected = torch.nn.functional.conv3d(tx, tk, padding=padding, dilation=dilation)
    weights = torch.cos(torch.arange(expected.numel(), dtype=torch.float64)).reshape(expected.shape)
    (expected.sin() * weights).sum().backward()

    with jax.enable_x64(True):
        w = jnp.asarray(weights.movedim(1, -1).numpy())

        def loss(x, kernel):
            y = conv(x, kernel, padding=padding, dilation=dilation)
            return (jnp.sin(y) * w).sum(), y

        (_, y), (dx, dk) = jax.value_and_grad(loss, (0, 1), has_aux=True)(jnp.asarray(x), jnp.asarray(kernel))
    for ours, theirs in (
        (y, expected.detach().movedim(1, -1)),
        (dx, tx.grad.movedim(1, -1)),
        (dk, tk.grad.movedim((0, 1), (-1, -2))),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-12 * float(theirs.abs().max()))


def test_gradients_of_gradients_equal_the_native_ones():
    x, kernel = arrays((1, 5, 6, 7, 2), (3, 3, 2, 2, 3))
    with jax.enable_x64(True):

        def penalty(lowering):
            def loss(x, kernel):
                return jnp.sin(conv(x, kernel, padding=1, dilation=2, lowering=lowering)).sum()

            def squares(x, kernel):
                return sum((g**2).sum() for g in jax.grad(loss, (0, 1))(x, kernel))

            return jax.grad(squares, (0, 1))(jnp.asarray(x), jnp.asarray(kernel))

        for ours, native in zip(penalty("auto"), penalty("native"), strict=True):
            np.testing.assert_allclose(ours, native, rtol=0, atol=1e-12 * float(jnp.abs(native).max()))


def test_transformations_agree_with_a_plain_call():
    x, kernel = arrays((3, 5, 6, 7, 2), (3, 3, 3, 2, 3))
    x, kernel = jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32)
    plain = conv(x, kernel, padding="same")
    mapped = jax.vmap(lambda one: conv(one[None], kernel, padding="same")[0])(x)
    _, scanned = jax.lax.scan(lambda _, one: (None, conv(one[None], kernel, padding="same")[0]), None, x)
    np.testing.assert_allclose(mapped, plain, atol=1e-5)
    np.testing.assert_allclose(scanned, plain, atol=1e-5)


def test_bfloat16_is_rounded_once():
    x, kernel = arrays((1, 6, 6, 6, 8), (3, 3, 3, 8, 4))
    x, kernel = jnp.asarray(x, jnp.bfloat16), jnp.asarray(kernel, jnp.bfloat16)
    y = conv(x, kernel, padding=1)
    exact = conv(x.astype(jnp.float32), kernel.astype(jnp.float32), padding=1)
    assert y.dtype == jnp.bfloat16
    bound = np.abs(np.asarray(exact)).max() * 2**-7
    np.testing.assert_allclose(y.astype(jnp.float32), exact, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dilation": 0}, "conv: dilation=0 contains 0; pass integers of at least 1."),
        (
            {"stride": (1, 2, 3)},
            "conv: stride=(1, 2, 3) is not an integer or one integer for each of 2 axes; pass an integer or 2 of them.",
        ),
        (
            {"padding": "same", "stride": 2},
            "conv: padding='same' with stride=(2, 2) has no fixed meaning; pass the padding as integers, or stride 1.",
        ),
        ({"lowering": "fast"}, "conv: lowering='fast' is unknown; pass 'auto' or 'native'."),
        (
            {"groups": 2},
            "conv: groups=2 does not fit x with 3 channels and a kernel of 3 to 4; pass groups and a kernel with "
            "C_in = groups * kernel.shape[-2] and C_out a multiple of groups.",
        ),
        (
            {"dilation": 4},
            "conv: x=(1, 7, 8, 3) is 7 samples long on spatial axis 0, with padding (0, 0) less than the kernel's "
            "window of 9; pass a longer input, more padding, or less dilation.",
        ),
    ],
)
def test_messages(arguments, message):
    with pytest.raises(ArgumentError) as caught:
        conv(jnp.ones((1, 7, 8, 3)), jnp.ones((3, 3, 3, 4)), **arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("shapes", "arguments", "message"),
    [
        (
            ((1, 5, 5, 4), (3, 3, 4, 6)),
            {"stride": 2, "output_padding": 2},
            "conv_transpose: output_padding=2 is not below stride 2 or dilation 1; pass less.",
        ),
        (
            ((1, 2, 2, 4), (1, 1, 4, 6)),
            {"padding": 3},
            "conv_transpose: padding=3 crops more than there is: the output would be (-4, -4); pass less.",
        ),
        (
            ((1, 5, 5, 4), (3, 3, 4, 6)),
            {"padding": "same"},
            "conv_transpose: padding='same' has no fixed meaning here; pass integers.",
        ),
        (
            ((1, 5, 5, 4), (3, 3, 2, 6)),
            {"groups": 4},
            "conv_transpose: groups=4 does not fit x with 4 channels and a kernel of 2 to 6; pass groups and a kernel "
            "with C_in = groups * kernel.shape[-2] and C_out a multiple of groups.",
        ),
    ],
)
def test_messages_of_conv_transpose(shapes, arguments, message):
    with pytest.raises(ArgumentError) as caught:
        conv_transpose(jnp.ones(shapes[0]), jnp.ones(shapes[1]), **arguments)
    assert str(caught.value) == message


def test_integers_are_refused():
    with pytest.raises(ArgumentError) as caught:
        conv(jnp.ones((1, 7, 8, 3), jnp.int32), jnp.ones((3, 3, 3, 4), jnp.int32))
    assert str(caught.value) == "conv: x='int32' is no floating dtype; convert it with astype."


def test_an_empty_batch_gives_an_empty_batch():
    assert conv(jnp.ones((0, 7, 8, 3)), jnp.ones((3, 3, 3, 4))).shape == (0, 5, 6, 4)


@pytest.mark.parametrize("groups", [1, 4, 12])
@pytest.mark.parametrize("spatial", [(40,), (9, 10), pytest.param((5, 6, 7), marks=pytest.mark.slow)])
def test_bfloat16_is_as_close_as_the_native_way(groups, spatial):
    axes = len(spatial)
    x, kernel, weights = arrays((2, *spatial, 12), (*[3] * axes, 12 // groups, 24), (2, *spatial, 24))

    def found(lowering, dtype):
        def loss(x, kernel):
            y = conv(x, kernel, padding="same", dilation=2, groups=groups, lowering=lowering)
            return (y.astype(jnp.float64 if dtype == jnp.float64 else jnp.float32) * weights).sum(), y

        (_, y), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(
            jnp.asarray(x, jnp.bfloat16).astype(dtype), jnp.asarray(kernel, jnp.bfloat16).astype(dtype)
        )
        return [np.asarray(array, np.float64) for array in (y, *gradients)]

    with jax.enable_x64(True):
        exact = found("native", jnp.float64)
        for name, ours, native, truth in zip(
            ("y", "dx", "dk"), found("auto", jnp.bfloat16), found("native", jnp.bfloat16), exact, strict=True
        ):
            distance = [np.sqrt(np.mean((array - truth) ** 2)) for array in (ours, native)]
            assert distance[0] <= 1.05 * distance[1] + 1e-12, name
