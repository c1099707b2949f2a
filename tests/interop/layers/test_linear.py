import numpy as np
import pytest
import torch

import interop
from dilax.errors import ArgumentError
from interop.testing import randomise

from .parity import check

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (torch.nn.Identity(), [normal(2, 3)]),
        (torch.nn.Linear(5, 7), [normal(2, 3, 5)]),
        (torch.nn.Linear(5, 7, bias=False), [normal(5)]),
        (torch.nn.Bilinear(4, 3, 5), [normal(2, 6, 4), normal(2, 6, 3)]),
        (torch.nn.Embedding(6, 4, padding_idx=-2), [RNG.integers(0, 6, (5, 3))]),
        (torch.nn.Flatten(), [normal(2, 3, 4, 5)]),
        (torch.nn.Flatten(2), [normal(2, 3, 4, 5)]),
        (torch.nn.Flatten(0), [normal(2, 3, 4, 5)]),
        (torch.nn.Unflatten(1, (3, 4, -1)), [normal(2, 60)]),
        (torch.nn.Unflatten(2, (4, 5)), [normal(2, 3, 20)]),
        (torch.nn.CosineSimilarity(-1), [normal(20, 3, 5), normal(3, 5)]),
        (torch.nn.PairwiseDistance(), [normal(20, 5), normal(20, 5)]),
        (torch.nn.PairwiseDistance(3, keepdim=True), [normal(20, 5), normal(20, 5)]),
        (torch.nn.PairwiseDistance(float("inf")), [normal(20, 5), normal(5)]),
    ],
    ids=lambda value: "" if isinstance(value, list) else type(value).__name__,
)
def test_layer(module, inputs):
    check(randomise(module), *inputs)


@pytest.mark.parametrize(("name", "value"), [("max_norm", 1.0), ("scale_grad_by_freq", True), ("sparse", True)])
def test_options_of_embedding_that_have_no_equal(name, value):
    with pytest.raises(ArgumentError) as caught:
        interop.from_torch(torch.nn.Embedding(3, 2, **{name: value}))
    default = None if name == "max_norm" else False
    assert str(caught.value) == (
        f"from_torch: {name}={value!r} of Embedding has no equal in Flax; make the layer with {name}={default!r}."
    )


def test_a_linear_layer_after_flatten_agrees():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 3 * 5, 2))
    x = RNG.normal(size=(2, 3, 5, 7)).astype(np.float32)
    ours = interop.from_torch(module)(np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(ours, module(torch.tensor(x)).detach(), rtol=0, atol=1e-5)
