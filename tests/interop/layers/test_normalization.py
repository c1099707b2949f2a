import numpy as np
import pytest
import torch

from .parity import check, randomized

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
    check(randomized(module), X, training=training, steps=3)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.GroupNorm(5, 50, eps=1e-3),
        torch.nn.GroupNorm(50, 50, affine=False),
        torch.nn.LayerNorm((3, 2), eps=1e-3),
        torch.nn.LayerNorm(2, elementwise_affine=False),
        torch.nn.RMSNorm((50, 3, 2)),
        torch.nn.RMSNorm(2, eps=0.1),
        torch.nn.LocalResponseNorm(4, alpha=0.5, beta=0.6, k=0.7),
        torch.nn.LocalResponseNorm(5),
    ],
    ids=str,
)
def test_without_statistics(module):
    check(randomized(module), X)
