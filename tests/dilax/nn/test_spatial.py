"""Layers of space: messages, single samples, dtypes, transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax import nn
from dilax.errors import ArgumentError

MESSAGES = [
    (
        lambda: nn.ConvTranspose(2, 3, 3, rngs=nnx.Rngs(0)),
        "ConvTranspose: kernel_size=3 does not say how many spatial axes there are; "
        "pass one size for each of 1 to 3 axes, e.g. (3, 3).",
    ),
    (
        lambda: nn.ConvTranspose(2, 3, (3,), stride=2, output_padding=2, rngs=nnx.Rngs(0)),
        "ConvTranspose: output_padding=2 is not below stride 2 or dilation 1; pass less.",
    ),
    (
        lambda: nn.ConvTranspose(2, 3, (3,), groups=2, rngs=nnx.Rngs(0)),
        "ConvTranspose: groups=2 does not divide in_channels=2 and out_channels=3; pass a divisor of both.",
    ),
    (
        lambda: nn.ConvTranspose(2, 3, (3,), stride=2, rngs=nnx.Rngs(0))(jnp.ones((4, 2)), output_size=(11,)),
        "ConvTranspose: output_size=(11,) is out of reach of an input of (4,); pass sizes from (9,) to (10,).",
    ),
    (
        lambda: nn.Conv(2, 3, (3,), padding_mode="mirror", rngs=nnx.Rngs(0)),
        "Conv: padding_mode='mirror' is unknown; pass 'zeros', 'reflect', 'replicate' or 'circular'.",
    ),
    (
        lambda: nn.Conv(2, 3, (3,), padding=4, padding_mode="reflect", rngs=nnx.Rngs(0))(jnp.ones((1, 4, 2))),
        "pad: padding=(4, 4) reaches too far on spatial axis 0 of (1, 4, 2): 'reflect' has 3 samples to take there; "
        "pass less.",
    ),
    (
        lambda: nn.Conv(2, 3, (3,), rngs=nnx.Rngs(0))(jnp.ones((1, 4, 4, 2))),
        "Conv: x=(1, 4, 4, 2) does not have 1 spatial axes; pass (N, *spatial, C) or (*spatial, C), which is an array "
        "of 3 or 2 axes.",
    ),
    (
        lambda: nn.ReflectionPad(2),
        "ReflectionPad: padding=2 does not say how much to put at the ends of each spatial axis; "
        "pass a (before, after) pair for each of 1 to 3 axes, first axis first, e.g. ((1, 1), (2, 0)).",
    ),
    (
        lambda: nn.ConstantPad([(-3, 1)], 0.0)(jnp.ones((1, 2, 2))),
        "pad: padding=(-3, 1) leaves nothing of spatial axis 0 of (1, 2, 2); crop less.",
    ),
    (
        lambda: nn.MaxPool(2),
        "MaxPool: kernel_size=2 does not say how many spatial axes there are; "
        "pass one size for each of 1 to 3 axes, e.g. (2, 2).",
    ),
    (
        lambda: nn.AvgPool((3,), padding=2),
        "AvgPool: padding=2 is more than half of kernel_size=3; pass less padding.",
    ),
    (
        lambda: nn.AvgPool((3, 3), divisor_override=0),
        "AvgPool: divisor_override=0 divides by nothing; pass another integer, or None.",
    ),
    (
        lambda: nn.MaxPool((3,), dilation=2)(jnp.ones((1, 4, 2))),
        "max_pool: x=(1, 4, 2) is 4 samples long on spatial axis 0, with padding 0 less than the window of 5; "
        "pass a longer input or a smaller window.",
    ),
    (
        lambda: nn.LPPool(0, (2,)),
        "LPPool: norm_type=0 has no root; pass another number.",
    ),
    (
        lambda: nn.AdaptiveAvgPool((2, -1)),
        "AdaptiveAvgPool: output_size=[2, -1] contains -1; pass integers of at least 0.",
    ),
    (
        lambda: nn.Upsample(),
        "Upsample: size=None leaves the result's size open; pass either size or scale_factor.",
    ),
    (
        lambda: nn.Upsample(3, scale_factor=2.0),
        "Upsample: size=3 and scale_factor=2.0 are both given; pass either size or scale_factor.",
    ),
    (
        lambda: nn.Upsample(3, align_corners=True),
        "Upsample: align_corners=True has no meaning for mode 'nearest'; leave it out, or pass a linear or cubic mode.",
    ),
    (
        lambda: nn.Upsample(3, mode="bilinear")(jnp.ones((1, 4, 2))),
        "interpolate: mode='bilinear' is for 2 spatial axes, and x (1, 4, 2) has 1; "
        'pass "linear" for 1, "bilinear" or "bicubic" for 2, "trilinear" for 3.',
    ),
    (
        lambda: nn.PixelShuffle(2)(jnp.ones((2, 2, 3))),
        "pixel_shuffle: upscale_factor=2 has a square that does not divide the 3 channels of x; pass another factor.",
    ),
    (
        lambda: nn.ChannelShuffle(0),
        "ChannelShuffle: groups=0 is no positive integer; pass one, e.g. 2.",
    ),
    (
        lambda: nn.Conv(2, 3, (3, 3), rngs=nnx.Rngs(0))(jnp.ones((1, 2, 5, 4))),
        "Conv: x=(1, 2, 5, 4) has in_channels=2 channels on axis 1 instead of last; pass jnp.moveaxis(x, 1, -1).",
    ),
    (
        lambda: nn.ConvTranspose(2, 3, (3, 3), rngs=nnx.Rngs(0))(jnp.ones((5, 4, 3))),
        "ConvTranspose: x=(5, 4, 3) does not end with in_channels=2; "
        "pass an array whose last axis has that many entries.",
    ),
    (
        lambda: nn.Conv("2", 3, (3,), rngs=nnx.Rngs(0)),
        "Conv: in_channels='2' is no integer; pass a positive integer.",
    ),
    (
        lambda: nn.Conv(2, 3, (3,), rngs=0),
        "Conv: rngs=0 is no nnx.Rngs; pass one, e.g. nnx.Rngs(0).",
    ),
    (
        lambda: nn.Conv(2, 3, (3,), rngs=nnx.Rngs(dropout=0)),
        "Conv: rngs=['dropout'] has neither a stream 'params' nor a default one; pass one, e.g. nnx.Rngs(0).",
    ),
    (
        lambda: nn.Conv(2, 3, (3,), lowering="fast", rngs=nnx.Rngs(0)),
        "Conv: lowering='fast' is unknown; pass 'auto' or 'native'.",
    ),
    (
        lambda: nn.ConstantPad([1], "0"),
        "ConstantPad: value='0' is no number; pass a number.",
    ),
    (
        lambda: nn.MaxPool((2,), ceil_mode=1),
        "MaxPool: ceil_mode=1 is no bool; pass True or False.",
    ),
    (
        lambda: nn.MaxUnpool((2,), padding=2),
        "MaxUnpool: padding=2 is more than half of kernel_size=2; pass less padding.",
    ),
    (
        lambda: nn.AvgPool((3, 3), divisor_override=2.0),
        "AvgPool: divisor_override=2.0 is no integer; pass one, or None.",
    ),
    (
        lambda: nn.Upsample((2, 0)),
        "Upsample: size=(2, 0) contains 0; pass integers of at least 1.",
    ),
    (
        lambda: nn.Upsample(scale_factor=(2.0, -1.0)),
        "Upsample: scale_factor=(2.0, -1.0) contains -1.0; pass finite numbers above 0.",
    ),
    (
        lambda: nn.Upsample(scale_factor=(2, 2, 2), mode="bilinear"),
        "Upsample: scale_factor=(2, 2, 2) has not one entry for each of 2 spatial axes; "
        "pass one for each, or a single one for all.",
    ),
    (
        lambda: nn.Fold(2, 3),
        "Fold: output_size=2 is smaller than a window; pass larger images or more padding.",
    ),
    (
        lambda: nn.Fold((4, 5), (2, 3))(jnp.ones((1, 8, 12))),
        "fold: x=(1, 8, 12) has not the windows of images of (4, 5); pass (N, 9, C * 6).",
    ),
]


@pytest.mark.parametrize(("call", "message"), MESSAGES, ids=[message.split(" ")[0] for _, message in MESSAGES])
def test_messages(call, message):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message


LAYERS = [
    nn.MaxPool((3, 2), stride=2, padding=1),
    nn.AvgPool((3, 2), stride=2, padding=1),
    nn.AdaptiveMaxPool((4, 3)),
    nn.AdaptiveAvgPool((4, None)),
    nn.Upsample(scale_factor=(1.7, 0.6), mode="bicubic"),
    nn.Upsample(size=(3, 12), mode="bilinear", align_corners=True),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_transformations_agree(layer):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 7, 2)), jnp.float32)
    plain = layer(x)
    np.testing.assert_allclose(jax.jit(layer)(x), plain, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(lambda one: layer(one[None])[0]))(x), plain, rtol=1e-6, atol=1e-6)
    _, scanned = jax.lax.scan(lambda carry, one: (carry, layer(one[None])[0]), None, x)
    np.testing.assert_allclose(scanned, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layer", [LAYERS[0], LAYERS[3], LAYERS[4]], ids=lambda layer: type(layer).__name__)
def test_forward_and_reverse_derivatives_agree(layer):
    with jax.enable_x64(True):
        x, tangent = (jnp.asarray(np.random.default_rng(seed).normal(size=(2, 6, 7, 2))) for seed in (0, 1))

        def loss(x):
            return jnp.sin(layer(x)).sum()

        gradient = jax.jit(jax.grad(loss))
        np.testing.assert_allclose(jax.jvp(loss, (x,), (tangent,))[1], (gradient(x) * tangent).sum(), rtol=1e-10)
        step = 1e-6
        slope = (gradient(x + step * tangent) - gradient(x - step * tangent)) / (2 * step)
        np.testing.assert_allclose(
            jax.jit(lambda x: jax.jvp(gradient, (x,), (tangent,))[1])(x), slope, rtol=1e-5, atol=1e-7
        )
        second = jax.jit(jax.grad(lambda x: (gradient(x) * tangent).sum()))(x)
        np.testing.assert_allclose(second, slope, rtol=1e-5, atol=1e-7)
        mapped = jax.jit(jax.vmap(lambda one: gradient(one[None])[0]))(x)
        np.testing.assert_allclose(mapped, gradient(x), rtol=1e-12)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_bfloat16_is_rounded_once(layer):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 7, 2)), jnp.bfloat16)
    y = jax.jit(layer)(x)
    exact = jax.jit(layer)(x.astype(jnp.float32))
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y, exact.astype(jnp.bfloat16))


def test_convolutions_compute_in_a_dtype():
    layer = nn.ConvTranspose(2, 3, (3,), compute_dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    assert layer.kernel[...].dtype == jnp.float32
    assert layer(jnp.ones((1, 5, 2))).dtype == jnp.bfloat16


def test_integers_are_pooled_and_resized_too():
    x = jnp.asarray(np.random.default_rng(0).integers(-9, 9, size=(1, 6, 7, 2)))
    np.testing.assert_array_equal(nn.MaxPool((2, 3))(x), nn.MaxPool((2, 3))(x.astype(jnp.float32)))
    np.testing.assert_array_equal(nn.Upsample((9, 4))(x), nn.Upsample((9, 4))(x.astype(jnp.float32)))


def test_a_repr_names_the_options():
    text = repr(nn.MaxPool((3, 2), stride=2))
    assert "MaxPool" in text
    assert "kernel_size=(3, 2)" in text
    assert "stride=(2, 2)" in text
