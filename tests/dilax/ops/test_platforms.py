"""One program serves every platform: what is lowered for each, without such a device."""

import jax
import jax.numpy as jnp
import pytest

from dilax.ops import conv, conv_transpose


def _lowered(function, *shapes, platform):
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.export.export(jax.jit(function), platforms=[platform])(*arrays).mlir_module()


def _gradient(**options):
    return lambda x, kernel, pulled: jax.vjp(lambda kernel: conv(x, kernel, **options), kernel)[1](pulled)


DENSE = {"padding": 2, "dilation": 2}, (2, 9, 7, 6), (3, 3, 6, 4), (2, 9, 7, 4)
PLAIN = {"padding": 1}, (2, 9, 7, 6), (3, 3, 6, 4), (2, 9, 7, 4)
DEPTHWISE = {"padding": 2, "dilation": 2, "groups": 6}, (2, 9, 7, 6), (3, 3, 1, 6), (2, 9, 7, 6)


@pytest.mark.parametrize(
    ("case", "platform", "convolves"),
    [
        (DENSE, "cuda", False), (DEPTHWISE, "cuda", False), (PLAIN, "cuda", True),
        (DENSE, "tpu", True), (DEPTHWISE, "tpu", True), (DENSE, "rocm", True),
    ],
)  # fmt: skip
def test_kernel_gradients_with_dilation_are_no_convolutions_on_an_nvidia_gpu(case, platform, convolves):
    options, *shapes = case
    assert ("stablehlo.convolution" in _lowered(_gradient(**options), *shapes, platform=platform)) is convolves


@pytest.mark.parametrize(
    ("case", "platform", "convolves"),
    [(DENSE, "cuda", True), (DEPTHWISE, "cuda", False), (DEPTHWISE, "tpu", True), (DEPTHWISE, "rocm", True)],
)
def test_a_depthwise_dilated_convolution_is_none_on_an_nvidia_gpu(case, platform, convolves):
    options, x, kernel, _ = case
    text = _lowered(lambda x, kernel: conv(x, kernel, **options), x, kernel, platform=platform)
    assert ("stablehlo.convolution" in text) is convolves


def test_upsampling_by_groups_is_no_convolution_on_an_nvidia_gpu():
    def upsampled(x, kernel):
        return conv_transpose(x, kernel, stride=4, padding=2, groups=3)

    shapes = (2, 5, 7, 3), (8, 8, 1, 3)
    assert "stablehlo.convolution" not in _lowered(upsampled, *shapes, platform="cuda")
    assert "stablehlo.convolution" in _lowered(upsampled, *shapes, platform="tpu")


def test_native_stays_native():
    options, *shapes = DENSE
    assert "stablehlo.convolution" in _lowered(_gradient(**options, lowering="native"), *shapes, platform="cuda")


def test_examples_with_kernels_of_their_own_follow_the_same_rule():
    options, *shapes = DENSE
    stacked = [(3, *shape) for shape in shapes]
    assert "stablehlo.convolution" not in _lowered(jax.vmap(_gradient(**options)), *stacked, platform="cuda")
    assert "stablehlo.convolution" in _lowered(jax.vmap(_gradient(**options)), *stacked, platform="tpu")
