"""Transposed convolutions that begin as bilinear interpolation, and the other initial values of published codes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax import models
from dilax.models.upsampling import bilinear_kernel, fixed_upsampling
from dilax.nn import ConvTranspose
from dilax.ops import interpolate

X = jnp.asarray(np.random.default_rng(0).gumbel(size=(2, 5, 6, 3)), jnp.float32)


def test_fixed_upsampling_is_bilinear_interpolation_inside():
    layer = fixed_upsampling(3, rngs=nnx.Rngs(0))
    y = layer(X)
    expected = interpolate(X, scale_factor=8, mode="bilinear", align_corners=False)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y[:, 4:-4, 4:-4], expected[:, 4:-4, 4:-4], rtol=0, atol=2e-6)
    assert not jax.tree.leaves(nnx.state(layer, nnx.Param))


@pytest.mark.parametrize("factor", [2, 3])
def test_an_initial_kernel_of_one_group_keeps_channels_apart(factor):
    taps = 2 * factor - factor % 2
    layer = ConvTranspose(3, 3, (taps, taps), stride=factor, bias=False, kernel_init=bilinear_kernel, rngs=nnx.Rngs(0))
    crop = (taps - factor) // 2
    y = layer(X)[:, crop : crop + 5 * factor, crop : crop + 6 * factor]
    expected = interpolate(X, scale_factor=factor, mode="bilinear", align_corners=False)
    inside = slice(factor, -factor)
    np.testing.assert_allclose(y[:, inside, inside], expected[:, inside, inside], rtol=0, atol=2e-6)


@pytest.mark.slow
def test_initial_values_of_drn():
    model = models.create("drn_seg", channels=8, num_classes=300)
    for conv in (model.base[6][0].conv2, model.base[7][0], model.seg):
        *taps, _, c_out = conv.kernel.shape
        assert float(conv.kernel[...].std()) == pytest.approx((2 / (np.prod(taps) * c_out)) ** 0.5, rel=0.05)
    assert not model.seg.bias[...].any()
