import numpy as np
import pytest
import torch

from interop.testing import randomise

from .parity import check

RNG = np.random.default_rng(0)
X = RNG.normal(1, 2, size=(2, 50, 3, 2))

TRAINED = [
    torch.nn.BatchNorm2d(50, eps=1e-3, momentum=0.2),
    torch.nn.BatchNorm2d(50, momentum=None, bias=False),
    torch.nn.BatchNorm2d(50, affine=False, track_running_stats=False),
    torch.nn.InstanceNorm2d(50, affine=True, track_running_stats=True),
    torch.nn.InstanceNorm2d(50),
]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("module", TRAINED, ids=str)
def test_with_statistics(module, training):
    check(randomise(module), X, training=training, steps=3)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.GroupNorm(25, 50, eps=1e-3),
        torch.nn.GroupNorm(50, 50, affine=False),
        torch.nn.LocalResponseNorm(4, alpha=0.5, beta=0.6, k=0.7),
        torch.nn.LocalResponseNorm(5),
    ],
    ids=str,
)
def test_of_feature_maps(module):
    check(randomise(module), X)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.LayerNorm((5, 60), eps=1e-3),
        torch.nn.LayerNorm(60, bias=False),
        torch.nn.LayerNorm(60, elementwise_affine=False),
        torch.nn.RMSNorm(60),
        torch.nn.RMSNorm(60, eps=0.1),
    ],
    ids=str,
)
def test_of_last_axes(module):
    check(randomise(module), RNG.normal(1, 2, size=(3, 5, 60)))


def frozen(channels, eps):
    """torchvision's layer, which is not installed here, from its documentation."""

    class FrozenBatchNorm2d(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.eps = eps
            for name in ("weight", "bias", "running_mean", "running_var"):
                self.register_buffer(name, torch.ones(channels))

        def forward(self, x):
            weight, bias, mean, var = (tensor[:, None, None] for tensor in self.buffers())
            return (x - mean) / torch.sqrt(var + self.eps) * weight + bias

    FrozenBatchNorm2d.__module__ = "torchvision.ops.misc"
    return FrozenBatchNorm2d()


@pytest.mark.parametrize("training", [False, True])
def test_frozen_batch_norm(training):
    check(randomise(frozen(50, 1e-3)), X, training=training)
