import numpy as np
import pytest
import torch

from interop.testing import randomise

from .parity import check

RNG = np.random.default_rng(0)
# Wide enough for both sides of every threshold, and the kinks themselves, where slopes are a choice.
X = np.concatenate([RNG.normal(0, 3, size=989), [-3, -1, -0.5, 0, -0.0, 0.5, 1, 2, 3, 6, 30]]).reshape(2, 25, 5, 4)

LAYERS = [
    torch.nn.ReLU(),
    torch.nn.ELU(1.5),
    torch.nn.CELU(1.5),
    torch.nn.SELU(),
    torch.nn.GELU(),
    torch.nn.GELU("tanh"),
    torch.nn.SiLU(),
    torch.nn.Mish(),
    torch.nn.Softplus(1.5, 6),
    torch.nn.Softsign(),
    torch.nn.Sigmoid(),
    torch.nn.LogSigmoid(),
    torch.nn.Tanh(),
    torch.nn.Tanhshrink(),
    torch.nn.ReLU6(),
    torch.nn.LeakyReLU(0.3),
    torch.nn.PReLU(25),
    torch.nn.RReLU(0.1, 0.4),
    torch.nn.Hardswish(),
    torch.nn.Hardsigmoid(),
    torch.nn.Hardtanh(-0.5, 2),
    torch.nn.Hardshrink(0.5),
    torch.nn.Softshrink(0.5),
    torch.nn.Threshold(0.5, 20),
    torch.nn.Softmax(1),
    torch.nn.Softmin(-1),
    torch.nn.LogSoftmax(1),
    torch.nn.Softmax2d(),
    torch.nn.GLU(-1),
]


@pytest.mark.parametrize("module", LAYERS, ids=str)
def test_activation(module):
    check(randomise(module), X)
