"""What torch rejects is rejected at construction or, where the input decides, at the call."""

import jax.numpy as jnp
import pytest
from flax import nnx

from dilax import nn
from dilax.errors import ArgumentError

CASES = [
    (lambda r: nn.CELU(0), "CELU: alpha=0 is 0, which divides the input; pass another number, e.g. 1."),
    (lambda r: nn.GELU("erf"), "GELU: approximate='erf' is unknown; pass 'none' or 'tanh'."),
    (lambda r: nn.PReLU(0), "PReLU: num_parameters=0 is below 1; pass a positive integer."),
    (
        lambda r: nn.PReLU(3)(jnp.ones((2, 4))),
        "PReLU: x=(2, 4) has 4 channels for num_parameters=3; "
        "pass an array with that many channels, last, or make the layer with one slope.",
    ),
    (lambda r: nn.RReLU(0.5, 0.1, rngs=r), "RReLU: upper=0.1 is below lower=0.5; pass a larger one."),
    (lambda r: nn.Hardtanh(1, 1), "Hardtanh: max_val=1 is not above min_val=1; pass a larger one."),
    (lambda r: nn.Softshrink(-0.1), "Softshrink: lambd=-0.1 is not at least 0; pass at least 0."),
    (lambda r: nn.Softmax(None), "Softmax: dim=None is no integer; pass an axis, e.g. -1."),
    (
        lambda r: nn.GLU()(jnp.ones((2, 3))),
        "GLU: x=(2, 3) has no even number of entries along axis -1; pass an even number, half of which are gates.",
    ),
    (
        lambda r: nn.Softmax2d()(jnp.ones((2, 3))),
        "Softmax2d: x=(2, 3) is no (N, H, W, C) or (H, W, C); pass 3 or 4 axes, or use Softmax.",
    ),
    (lambda r: nn.Dropout(1.5, rngs=r), "Dropout: p=1.5 is outside [0, 1]; pass a share, e.g. 0.1."),
    (lambda r: nn.FeatureDropout(-1, rngs=r), "FeatureDropout: p=-1 is outside [0, 1]; pass a share, e.g. 0.1."),
    (lambda r: nn.AlphaDropout(2, rngs=r), "AlphaDropout: p=2 is outside [0, 1]; pass a share, e.g. 0.1."),
    (lambda r: nn.BatchNorm(2.5), "BatchNorm: num_features=2.5 is no integer; pass a positive integer."),
    (
        lambda r: nn.BatchNorm(3)(jnp.ones((2, 4))),
        "BatchNorm: x=(2, 4) does not end with num_features=3; pass an array whose last axis has that many entries.",
    ),
    (
        lambda r: nn.InstanceNorm(3)(jnp.ones((2, 1, 3))),
        "InstanceNorm: x=(2, 1, 3) has one value for each channel, which has no variance; pass a larger feature map.",
    ),
    (lambda r: nn.GroupNorm(3, 4), "GroupNorm: num_groups=3 does not divide num_channels=4; pass a divisor."),
    (
        lambda r: nn.GroupNorm(4, 4)(jnp.ones((1, 4))),
        "GroupNorm: x=(1, 4) has one value for each group, which has no variance; pass a larger batch or feature map.",
    ),
    (
        lambda r: nn.LayerNorm(()),
        "LayerNorm: normalized_shape=() names no axis; pass the sizes of the last axes, e.g. (64,).",
    ),
    (
        lambda r: nn.RMSNorm((2, 3))(jnp.ones((3, 3))),
        "RMSNorm: x=(3, 3) does not end with normalized_shape=(2, 3); pass an array that does.",
    ),
    (
        lambda r: nn.LocalResponseNorm(2)(jnp.ones((3, 3))),
        "LocalResponseNorm: x=(3, 3) has no spatial axis; pass (N, *spatial, C), e.g. (1, 7, 5).",
    ),
    (lambda r: nn.Linear(3, 0, rngs=r), "Linear: out_features=0 is below 1; pass a positive integer."),
    (
        lambda r: nn.Bilinear(2, 3, 4, rngs=r)(jnp.ones(2), jnp.ones(2)),
        "Bilinear: x=(2,) does not end with in2_features=3; pass an array whose last axis has that many entries.",
    ),
    (
        lambda r: nn.Embedding(3, 2, padding_idx=3, rngs=r),
        "Embedding: padding_idx=3 is not in a table of num_embeddings=3; pass the index of a vector, or None.",
    ),
    (
        lambda r: nn.Embedding(3, 2, rngs=r)(jnp.ones(2)),
        "Embedding: x=dtype('float32') is no dtype of integers; pass indices, e.g. of int32.",
    ),
    (
        lambda r: nn.Flatten(2, -2)(jnp.ones((2, 3, 4))),
        "Flatten: end_dim=-2 is before start_dim=2 in an array of 3 axes; pass a later axis.",
    ),
    (lambda r: nn.Flatten(2, 1), "Flatten: end_dim=1 is before start_dim=2; pass a later axis."),
    (
        lambda r: nn.Unflatten(1, (2, -1, -1)),
        "Unflatten: unflattened_size=(2, -1, -1) is no sequence of sizes; "
        "pass one, e.g. (8, 4, 4); at most one size may be -1.",
    ),
    (
        lambda r: nn.BatchNorm(3)(jnp.ones((2, 3, 5, 4))),
        "BatchNorm: x=(2, 3, 5, 4) has num_features=3 channels on axis 1 instead of last; pass jnp.moveaxis(x, 1, -1).",
    ),
    (
        lambda r: nn.Softmax(2)(jnp.ones((2, 3))),
        "Softmax: dim=2 is no axis of an array of 2; pass an axis that there is.",
    ),
    (lambda r: nn.GLU(1)(jnp.ones(4)), "GLU: dim=1 is no axis of an array of 1; pass an axis that there is."),
    (
        lambda r: nn.CosineSimilarity()(jnp.ones(4), jnp.ones(4)),
        "CosineSimilarity: dim=1 is no axis of an array of 1; pass an axis that there is.",
    ),
    (
        lambda r: nn.PairwiseDistance()(jnp.ones((2, 4)), jnp.ones((2, 3))),
        "PairwiseDistance: x2=(2, 3) does not broadcast with x1=(2, 4); pass arrays of one shape.",
    ),
    (
        lambda r: nn.PairwiseDistance()(jnp.ones(()), jnp.ones(())),
        "PairwiseDistance: x1=() is no vector; pass arrays of one axis or more.",
    ),
    (
        lambda r: nn.FeatureDropout(rngs=r)(jnp.ones(4)),
        "FeatureDropout: x=(4,) has no samples and channels; pass (N, *spatial, C), e.g. (1, 7, 5).",
    ),
    (
        lambda r: nn.TransformerDecoderLayer(6, 4, rngs=r),
        "TransformerDecoderLayer: nhead=4 does not divide d_model=6; pass a divisor.",
    ),
    (
        lambda r: nn.TransformerEncoderLayer(6, 2, dropout=None, rngs=r),
        "TransformerEncoderLayer: dropout=None is no number; pass a number.",
    ),
    (lambda r: nn.ELU("1"), "ELU: alpha='1' is no number; pass a number."),
    (lambda r: nn.LeakyReLU(True), "LeakyReLU: negative_slope=True is no number; pass a number."),
    (lambda r: nn.Softshrink(float("inf")), "Softshrink: lambd=inf is not finite; pass a finite number."),
    (lambda r: nn.Dropout("0.5", rngs=r), "Dropout: p='0.5' is no number; pass a number."),
    (lambda r: nn.Dropout(rngs=7), "Dropout: rngs=7 is no nnx.Rngs; pass one, e.g. nnx.Rngs(0)."),
    (lambda r: nn.BatchNorm(3, eps=0), "BatchNorm: eps=0 is not above 0; pass a small number, e.g. 1e-5."),
    (lambda r: nn.BatchNorm(3, momentum="0.1"), "BatchNorm: momentum='0.1' is no number; pass a number."),
    (lambda r: nn.CosineSimilarity(eps=-1), "CosineSimilarity: eps=-1 is not at least 0; pass at least 0."),
    (lambda r: nn.PairwiseDistance(keepdim="no"), "PairwiseDistance: keepdim='no' is no bool; pass True or False."),
    (
        lambda r: nn.Embedding(3, 2, padding_idx=0.5, rngs=r),
        "Embedding: padding_idx=0.5 is not in a table of num_embeddings=3; pass the index of a vector, or None.",
    ),
    (
        lambda r: nn.Unflatten(1, (2, 2))(jnp.ones((2, 5))),
        "Unflatten: unflattened_size=(2, 2) does not multiply to 5; pass sizes that do; at most one may be -1.",
    ),
    (
        lambda r: nn.LSTM(3, 4, proj_size=4, rngs=r),
        "LSTM: proj_size=4 is not from 0 to below hidden_size=4; pass a smaller size, or 0 for none.",
    ),
    (
        lambda r: nn.RNN(3, 4, nonlinearity="gelu", rngs=r),
        "RNN: nonlinearity='gelu' is unknown; pass 'tanh' or 'relu'.",
    ),
    (
        lambda r: nn.GRU(3, 4, rngs=r)(jnp.ones((5, 2, 3)), jnp.ones((2, 2, 4))),
        "GRU: hx=(2, 2, 4) is not (1, 2, 4); pass states of (num_layers * directions, N, size), or none for zeros.",
    ),
    (
        lambda r: nn.GRU(3, 4, rngs=r)(jnp.ones((1, 5, 2, 3))),
        "GRU: x=(1, 5, 2, 3) has not 2 or 3 axes; pass (L, input_size) or a batch of them.",
    ),
    (
        lambda r: nn.GRUCell(3, 4, rngs=r)(jnp.ones((5, 3)), jnp.ones((4, 4))),
        "GRUCell: hx=(4, 4) is not (5, 4); pass a state for each sample, or none for zeros.",
    ),
    (
        lambda r: nn.MultiheadAttention(6, 4, rngs=r),
        "MultiheadAttention: num_heads=4 does not divide embed_dim=6; pass a divisor.",
    ),
    (
        lambda r: nn.MultiheadAttention(6, 2, rngs=r)(*[jnp.ones((3, 6))] * 3, is_causal=True),
        "MultiheadAttention: is_causal=True comes without attn_mask; pass the causal mask too.",
    ),
    (
        lambda r: nn.MultiheadAttention(6, 2, rngs=r)(*[jnp.ones((3, 6))] * 3, attn_mask=jnp.ones((3, 2))),
        "MultiheadAttention: attn_mask=(3, 2) is neither (3, 3) nor (2, 3, 3); pass (L, S) or (N * num_heads, L, S).",
    ),
    (
        lambda r: nn.TransformerEncoderLayer(6, 2, activation="elu", rngs=r),
        "TransformerEncoderLayer: activation='elu' is unknown; pass 'relu', 'gelu' or a function of an array.",
    ),
    (
        lambda r: nn.weight_norm(nn.Linear(2, 3, rngs=r), "kernal"),
        "weight_norm: name='kernal' is no parameter of Linear (did you mean 'kernel'?); pass one of kernel, bias.",
    ),
    (
        lambda r: nn.weight_norm(nn.Linear(2, 3, rngs=r), dim=2),
        "WeightNorm: dim=2 is no axis of a parameter of shape (2, 3); pass one, e.g. -1.",
    ),
    (
        lambda r: nn.spectral_norm(nn.Linear(2, 3, rngs=r), "bias", rngs=r),
        "SpectralNorm: kernel=(3,) is no matrix; pass a parameter of two or more axes.",
    ),
    (
        lambda r: nn.spectral_norm(nn.Linear(2, 3, rngs=r), form="old", rngs=r),
        "SpectralNorm: form='old' is unknown; pass 'parametrization' or 'hook'.",
    ),
]


@pytest.mark.parametrize(("call", "message"), CASES, ids=[message.split(";")[0] for _, message in CASES])
def test_wrong_argument(call, message):
    with pytest.raises(ArgumentError) as caught:
        call(nnx.Rngs(0))
    assert str(caught.value) == message
