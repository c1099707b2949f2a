"""The assertion, random modules and random inputs."""

import numpy as np
import pytest
import torch
from flax import nnx
from torch.nn.utils import parametrizations

import interop
from dilax import nn
from dilax.errors import ArgumentError, MismatchError
from interop.testing import ParityInput, assert_parity, randomise


def pair():
    module = randomise(torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.LayerNorm(9)))
    model = nn.Sequential([nn.Linear(4, 9, rngs=nnx.Rngs(0)), nn.LayerNorm(9)])
    interop.load(model, module.state_dict())
    return module, model


def test_equal_models_pass_and_the_report_says_what_was_compared():
    module, model = pair()
    report = assert_parity(module, model, ParityInput()((60, 4)))
    assert report.equal
    assert [row.name for row in report.layers] == ["0", "1", ""]
    assert {row.name for row in report.gradients} >= {"0.weight", "0.bias", "1.weight", "1.bias", "input 0"}


def test_the_first_layer_that_differs_fails():
    module, model = pair()
    model[1].eps = 1e-3
    with pytest.raises(MismatchError) as caught:
        assert_parity(module, model, ParityInput()((60, 4)), gradients=False)
    assert str(caught.value).startswith("verify: 2 of 3 comparisons differ")
    assert caught.value.problems[0].startswith("1 (LayerNorm): float64 ")


def test_randomise_leaves_nothing_at_0_or_1_and_vectors_of_length_1():
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 2), torch.nn.BatchNorm2d(4), torch.nn.PReLU(), torch.nn.LayerNorm(5),
        parametrizations.spectral_norm(torch.nn.Linear(6, 7)), torch.nn.Embedding(5, 3, padding_idx=1),
    )  # fmt: skip
    vectors = {name: value.clone() for name, value in module.named_buffers() if name[-2:] in ("_u", "_v")}
    assert randomise(module, 3) is module
    state = module.state_dict()
    for name, array in state.items():
        if name in vectors:
            assert torch.equal(array, vectors[name])
            assert array.norm().item() == pytest.approx(1)
        else:
            assert not torch.isin(array, torch.tensor([0, 1])).any(), name
    variance = state["1.running_var"]
    assert variance.min() >= 0.5
    assert variance.max() <= 2
    assert len({*variance.tolist()}) == 4
    assert state["1.num_batches_tracked"] == 3


def test_randomise_keeps_masks_and_signs():
    module = torch.nn.Module()
    module.register_buffer("mask", torch.tensor([[0.0, -torch.inf], [0.0, 0.0]]))
    module.register_buffer("none", torch.full((2,), torch.inf))
    module.register_buffer("temperature", torch.full((50,), 0.01))
    randomise(module)
    assert module.mask.isfinite().tolist() == [[True, False], [True, True]]
    assert (module.none == torch.inf).all()
    assert 0.007 <= module.temperature.min() < 0.008
    assert 0.012 < module.temperature.max() <= 0.013


def test_randomise_depends_on_its_seed_alone():
    first, again, other = (randomise(torch.nn.BatchNorm1d(5), seed).state_dict() for seed in (1, 1, 2))
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])


def test_inputs_are_skewed_and_the_same_in_every_run():
    draw, again = ParityInput(), ParityInput()
    first, second = draw((200, 30)), draw((200, 30))
    np.testing.assert_array_equal(first, again((200, 30)))
    assert not np.array_equal(first, second)
    assert first.dtype == np.float64
    assert ((first - first.mean()) ** 3).mean() / first.std() ** 3 > 1
    tokens = draw((3, 400), below=7)
    assert (tokens.min(), tokens.max(), tokens.dtype) == (0, 6, np.int64)


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (1, 8, 9, 3), (3, 8, 9, 3)])
def test_shapes_that_hide_mistakes_are_refused(shape):
    with pytest.raises(ArgumentError) as caught:
        ParityInput()(shape)
    assert str(caught.value) == (
        f"parity_input: shape={shape} has equal sizes, or a batch of 1, which hide exchanged axes; "
        "pass sizes that all differ, e.g. (2, 9, 11, 3)."
    )


@pytest.mark.parametrize("shape", [(5,), (2, 7, 1), (2, 9, 10, 11, 1)])
def test_one_channel_is_allowed(shape):
    assert ParityInput()(shape).shape == shape
