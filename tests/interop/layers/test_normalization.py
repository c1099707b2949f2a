import numpy as np
import pytest
import torch

from .parity import check, randomized

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(training):
    x = RNG.normal(1, 2, size=(2, 50, 3, 2))
    check(randomized(torch.nn.BatchNorm2d(50, eps=1e-3, momentum=0.2)), x, training=training, steps=3)
