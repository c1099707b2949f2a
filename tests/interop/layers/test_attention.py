import numpy as np
import pytest
import torch

from interop.testing import randomise

from .parity import check

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (torch.nn.MultiheadAttention(12, 3), [normal(4, 2, 12), normal(5, 2, 12), normal(5, 2, 12)]),
        (
            torch.nn.MultiheadAttention(12, 3, batch_first=True, kdim=5, vdim=6, add_bias_kv=True, add_zero_attn=True),
            [normal(2, 4, 12), normal(2, 5, 5), normal(2, 5, 6)],
        ),
        (
            torch.nn.TransformerEncoderLayer(12, 3, 20, dropout=0, activation="gelu", norm_first=True),
            [normal(4, 2, 12)],
        ),
        (
            torch.nn.TransformerDecoder(
                torch.nn.TransformerDecoderLayer(12, 3, 20, dropout=0, batch_first=True, bias=False),
                1,
                torch.nn.LayerNorm(12),
            ),
            [normal(2, 4, 12), normal(2, 5, 12)],
        ),
    ],
    ids=lambda value: "" if isinstance(value, list) else type(value).__name__,
)
def test_layer(module, inputs):
    check(randomise(module), *inputs)
