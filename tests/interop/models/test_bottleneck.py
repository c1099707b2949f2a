"""dilax.nn.Bottleneck alone against torchvision's, dilated and grouped."""

import numpy as np
import pytest

pytest.importorskip("torchvision")

import torch
from flax import nnx
from torchvision.models import resnet

import interop
from dilax.nn import Bottleneck
from interop.testing import assert_parity, randomise

X = np.random.default_rng(0).gumbel(size=(2, 9, 11, 12))


@pytest.mark.parametrize(
    ("channels", "stride", "dilation", "groups", "width_per_group"),
    [(3, 1, 4, 1, 64), pytest.param(16, 2, 3, 2, 24, marks=pytest.mark.slow)],
    ids=["beside the identity", "beside a convolution"],
)
def test_outputs_gradients_and_keys_in_training(channels, stride, dilation, groups, width_per_group):
    torch.manual_seed(0)
    shortcut = torch.nn.Sequential(
        torch.nn.Conv2d(12, 4 * channels, 1, stride=stride, bias=False), torch.nn.BatchNorm2d(4 * channels)
    )
    module = randomise(
        resnet.Bottleneck(12, channels, stride, None if stride == 1 else shortcut, groups, width_per_group, dilation)
    )
    model = Bottleneck(
        12, channels, stride=stride, dilation=dilation, groups=groups, width_per_group=width_per_group,
        rngs=nnx.Rngs(0),
    )  # fmt: skip
    interop.load(model, module.state_dict())
    assert list(interop.state_dict(model)) == list(module.state_dict())
    assert model.conv2.dilation == module.conv2.dilation == (dilation, dilation)
    assert_parity(module, model, X, training=True)
