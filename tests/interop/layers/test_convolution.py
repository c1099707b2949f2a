import numpy as np
import pytest
import torch

from .parity import check, randomized

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
        torch.nn.Conv2d(3, 5, (3, 2), padding="same", dilation=2, bias=False),
        torch.nn.Conv3d(2, 4, 3, padding=(1, 0, 2)),
    ],
    ids=str,
)
def test_conv(module):
    axes = module.weight.ndim - 2
    check(randomized(module), RNG.normal(size=(2, module.in_channels, *(9, 8, 7)[:axes])))
