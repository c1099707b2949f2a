"""What configurations of segmentation_models_pytorch's models take, and what the models are made of."""

import time

import jax
import numpy as np
import pytest
from flax import nnx

from dilax import models
from dilax.errors import ArgumentError
from dilax.models.resnet import block_geometry
from dilax.models.smp import MODELS
from dilax.models.smp.heads import SegmentationHead
from dilax.models.smp.pspnet import PSPDecoder
from dilax.nn import PyramidPooling, SeparableConv
from interop.inference import smp as inference

RESNETS = (
    "resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d, resnext101_32x4d, resnext101_32x8d, "
    "resnext101_32x16d, resnext101_32x32d"
)
REJECTED = [
    (
        lambda: models.create("smp_pan", encoder_name="resnet43"),
        "SmpPAN: encoder_name='resnet43' is no encoder (did you mean 'resnet34'?); pass one of "
        f"{RESNETS}, mobilenet_v2.",
    ),
    (
        lambda: models.create("smp_deeplabv3plus", encoder_depth=2),
        "SmpDeepLabV3Plus: encoder_depth=2 is no integer from 3 to 5; pass one.",
    ),
    (
        lambda: models.create("smp_pspnet", encoder_depth=6),
        "SmpPSPNet: encoder_depth=6 is no integer from 1 to 5; pass one.",
    ),
    (
        lambda: models.create("smp_deeplabv3", encoder_output_stride=32),
        "SmpDeepLabV3: encoder_output_stride=32 is not 8 or 16; pass one of them.",
    ),
    (
        lambda: models.create("smp_pspnet", encoder_output_stride=4),
        "SmpPSPNet: encoder_output_stride=4 is not 8, 16 or 32; pass one of them.",
    ),
    (lambda: models.create("smp_pan", classes=0), "SmpPAN: classes=0 is below 1; pass a positive integer."),
    (lambda: models.create("smp_pan", aux_classes=0), "SmpPAN: aux_classes=0 is below 1; pass a positive integer."),
    (
        lambda: models.create("smp_pan", upsampling=1.5),
        "SmpPAN: upsampling=1.5 is no integer; pass a positive integer.",
    ),
    (
        lambda: models.create("smp_deeplabv3plus", upsampling=None),
        "SmpDeepLabV3Plus: upsampling=None is no integer; pass a positive integer.",
    ),
    (
        lambda: models.create("smp_pan", activation="relu"),
        "SmpPAN: activation='relu' is unknown; pass 'sigmoid', 'softmax', 'softmax2d', 'logsoftmax' or 'tanh'.",
    ),
    (
        lambda: models.create("smp_pan", aux_pooling="sum"),
        "SmpPAN: aux_pooling='sum' is unknown; pass 'avg' or 'max'.",
    ),
    (
        lambda: models.create("smp_pan", decoder_interpolation="linear"),
        "SmpPAN: decoder_interpolation='linear' is unknown; pass 'nearest', 'nearest-exact', 'bilinear', 'bicubic' or "
        "'area'.",
    ),
    (
        lambda: models.create("smp_pspnet", decoder_use_norm="layernorm"),
        "SmpPSPNet: decoder_use_norm='layernorm' is unknown; pass 'batchnorm' or 'identity'.",
    ),
    (
        lambda: models.create("smp_deeplabv3", decoder_atrous_rates=(6, 12)),
        "SmpDeepLabV3: decoder_atrous_rates=(6, 12) are not three; pass e.g. (12, 24, 36).",
    ),
    (
        lambda: models.create("smp_deeplabv3plus", decoder_aspp_separable=1),
        "SmpDeepLabV3Plus: decoder_aspp_separable=1 is no bool; pass True or False.",
    ),
    (
        lambda: PyramidPooling(3, rngs=nnx.Rngs(0)),
        "PyramidPooling: sizes=(1, 2, 3, 6) has more grids than in_channels=3; pass fewer.",
    ),
    (
        lambda: PyramidPooling(3, (2, 0), rngs=nnx.Rngs(0)),
        "PyramidPooling: sizes=(2, 0) contains 0; pass positive integers, e.g. (1, 2, 3, 6).",
    ),
    (
        lambda: PyramidPooling(3, (), rngs=nnx.Rngs(0)),
        "PyramidPooling: sizes=() holds no size; pass positive integers, e.g. (1, 2, 3, 6).",
    ),
    (
        lambda: SeparableConv(3, 4, 3, rngs=nnx.Rngs(0)),
        "Conv: kernel_size=3 does not say how many spatial axes there are; pass one size for each of 1 to 3 axes, e.g. "
        "(3, 3).",
    ),
]


@pytest.mark.parametrize(("make", "message"), REJECTED)
def test_what_is_rejected(make, message):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("output_stride", "expected"),
    [
        (32, [[(1, 1)] * 2, [(2, 1), (1, 1)], [(2, 1), (1, 1)], [(2, 1), (1, 1)]]),
        (16, [[(1, 1)] * 2, [(2, 1), (1, 1)], [(2, 1), (1, 1)], [(1, 2), (1, 2)]]),
        (8, [[(1, 1)] * 2, [(2, 1), (1, 1)], [(1, 2), (1, 2)], [(1, 4), (1, 4)]]),
    ],
)
def test_uniform_geometry_gives_all_blocks_of_a_stage_its_dilation(output_stride, expected):
    assert block_geometry((2, 2, 2, 2), output_stride, uniform=True) == expected


def test_the_shapes_of_outputs():
    model = nnx.eval_shape(lambda: models.create("smp_deeplabv3plus", classes=4, aux_classes=7, in_channels=2))
    masks, scores = nnx.eval_shape(lambda model, x: model(x), model, jax.ShapeDtypeStruct((2, 64, 96, 2), np.float32))
    assert (masks.shape, scores.shape) == ((2, 64, 96, 4), (2, 7))


def test_interop_knows_the_names_of_all_of_them():
    assert set(inference.NAMES) == set(MODELS) <= set(models.list())


def test_initial_values_have_the_references_distributions():
    decoder = PSPDecoder(64, models.SmpPSPNetConfig(decoder_use_norm="identity"), rngs=nnx.Rngs(0))
    heads = [
        SegmentationHead(24, 7, kernel_size=3, upsampling=1, activation=None, xavier=xavier, rngs=nnx.Rngs(0))
        for xavier in (True, False)
    ]
    for kernel, bound in (
        (decoder.conv[0].kernel[...], np.sqrt(6 / 128)),
        (heads[0][0].kernel[...], np.sqrt(6 / (9 * (24 + 7)))),
        (heads[1][0].kernel[...], np.sqrt(1 / (9 * 24))),
    ):
        assert 0.97 * bound < np.abs(kernel).max() <= bound
        assert abs(kernel.std() / (bound / np.sqrt(3)) - 1) < 0.05
    assert not decoder.conv[0].bias[...].any()
    assert not heads[0][0].bias[...].any()
    assert heads[1][0].bias[...].any()


@pytest.mark.slow
def test_a_large_one_is_made_in_seconds():
    models.create("smp_pspnet", encoder_name="resnet18")
    begin = time.process_time()
    models.create("smp_deeplabv3plus", encoder_name="resnext101_32x8d")
    assert time.process_time() - begin < 3
