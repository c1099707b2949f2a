"""Initial values that are asked for by argument."""

import numpy as np
import pytest
from flax import nnx

from dilax.nn import Conv, ConvTranspose, Linear


@pytest.mark.parametrize(
    "make",
    [
        lambda **inits: Conv(3, 5, (3, 2), rngs=nnx.Rngs(0), **inits),
        lambda **inits: ConvTranspose(3, 5, (3, 2), rngs=nnx.Rngs(0), **inits),
        lambda **inits: Linear(3, 5, rngs=nnx.Rngs(0), **inits),
    ],
)
def test_kernel_and_bias_begin_as_they_are_asked_to(make):
    usual = make()
    layer = make(kernel_init=nnx.initializers.kaiming_normal(), bias_init=nnx.initializers.constant(0.25))
    expected = nnx.initializers.kaiming_normal()(nnx.Rngs(0).params(), usual.kernel.shape)
    np.testing.assert_array_equal(layer.kernel[...], expected)
    np.testing.assert_array_equal(layer.bias[...], np.full(5, 0.25, np.float32))
    assert not np.array_equal(usual.kernel[...], layer.kernel[...])
