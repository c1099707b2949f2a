"""dilax.nn.Aspp against torchvision's, of any dilations."""

import numpy as np
import pytest

pytest.importorskip("torchvision")

import torch
from flax import nnx
from torchvision.models.segmentation.deeplabv3 import ASPP

import interop
from dilax.nn import Aspp
from interop.testing import assert_parity, randomise

X = np.random.default_rng(0).gumbel(size=(2, 9, 11, 5))


@pytest.mark.parametrize("dilations", [(1, 3, 12), pytest.param((2,), marks=pytest.mark.slow)])
def test_outputs_gradients_and_keys(dilations):
    torch.manual_seed(0)
    module = randomise(ASPP(5, dilations, 7)).eval()
    model = Aspp(5, dilations, out_channels=7, rngs=nnx.Rngs(0))
    interop.load(model, module.state_dict())
    assert list(interop.state_dict(model)) == list(module.state_dict())
    assert_parity(module, model, X)
