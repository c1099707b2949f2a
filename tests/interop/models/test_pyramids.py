"""dilax.nn.PyramidPooling, SeparableConv and the separable Aspp against segmentation_models_pytorch's."""

import numpy as np
import pytest

pytest.importorskip("segmentation_models_pytorch")

import torch
from flax import nnx
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPP, SeparableConv2d
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPModule

import interop
from dilax.nn import Aspp, PyramidPooling, SeparableConv
from interop.testing import assert_parity, randomise

X = np.random.default_rng(0).gumbel(size=(2, 9, 11, 13))
RATES = (1, 2, 6)


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (
            lambda: SeparableConv2d(13, 7, 3, stride=2, padding=4, dilation=3),
            lambda rngs: SeparableConv(13, 7, (3, 3), stride=2, padding=4, dilation=3, rngs=rngs),
        ),
        pytest.param(
            lambda: SeparableConv2d(13, 5, 3, bias=False),
            lambda rngs: SeparableConv(13, 5, (3, 3), bias=False, rngs=rngs),
            marks=pytest.mark.slow,
        ),
        (lambda: PSPModule(13, (1, 4)), lambda rngs: PyramidPooling(13, (1, 4), rngs=rngs)),
        pytest.param(lambda: PSPModule(13), lambda rngs: PyramidPooling(13, rngs=rngs), marks=pytest.mark.slow),
        pytest.param(
            lambda: PSPModule(13, (2, 5, 12), use_norm="identity"),
            lambda rngs: PyramidPooling(13, (2, 5, 12), batch_norm=False, rngs=rngs),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            lambda: ASPP(13, 6, RATES, separable=True, dropout=0.5),
            lambda rngs: Aspp(13, RATES, out_channels=6, separable=True, rngs=rngs),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["separable", "separable without bias", "two levels", "pyramid", "pyramid without norm", "separable aspp"],
)
def test_outputs_gradients_and_keys(make, model):
    torch.manual_seed(0)
    module = randomise(make()).eval()
    model = model(nnx.Rngs(0))
    interop.load(model, module.state_dict())
    back = interop.state_dict(model)
    assert list(back) == list(module.state_dict())
    assert all(back[key].tobytes() == one.numpy().tobytes() for key, one in module.state_dict().items())
    assert_parity(module, model, X)


@pytest.mark.slow
def test_a_pyramid_is_equal_in_training():
    torch.manual_seed(0)
    module = randomise(PSPModule(13, (1, 3, 4)))
    model = PyramidPooling(13, (1, 3, 4), rngs=nnx.Rngs(0))
    interop.load(model, module.state_dict())
    assert_parity(module, model, X, training=True)
    assert model.out_channels == module(torch.zeros(2, 13, 9, 11)).shape[1] == 25
