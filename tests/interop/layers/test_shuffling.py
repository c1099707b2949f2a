import jax.numpy as jnp
import numpy as np
import pytest
import torch

import interop

from .parity import check

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (torch.nn.PixelShuffle(2), (2, 12, 3, 5)),
        (torch.nn.PixelShuffle(3), (2, 2, 18, 2, 3)),
        (torch.nn.PixelUnshuffle(2), (2, 3, 4, 6)),
        (torch.nn.ChannelShuffle(3), (2, 6, 4, 5)),
        (torch.nn.Unfold((2, 3), dilation=(2, 1), padding=(1, 2), stride=(1, 2)), (2, 3, 6, 7)),
        (torch.nn.Fold((6, 7), (2, 3), dilation=(2, 1), padding=(1, 2), stride=(1, 2)), (2, 18, 30)),
    ],
    ids=str,
)
def test_shuffling(module, shape):
    check(module, RNG.normal(size=shape))


def test_fold_without_a_batch():
    module = torch.nn.Fold((4, 5), (2, 3))
    x = RNG.normal(size=(18, 9)).astype(np.float32)
    ours = interop.from_torch(module)(jnp.asarray(x.T))
    np.testing.assert_allclose(np.moveaxis(np.asarray(ours), -1, 0), module(torch.tensor(x)), rtol=1e-6)
