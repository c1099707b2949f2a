"""Which axis of an array holds the channels."""

import numpy as np
import pytest
import torch

from interop.verification.layouts import channels_last, choose_axis, torch_rule


@pytest.mark.parametrize(
    ("layer", "shape", "axis"),
    [
        (torch.nn.Conv2d(3, 4, 1), (2, 4, 5, 6), 1),
        (torch.nn.Conv2d(3, 4, 1), (4, 5, 6), 0),
        (torch.nn.BatchNorm1d(4), (2, 4, 5), 1),
        (torch.nn.PixelShuffle(2), (7, 2, 4, 6, 8), 2),
        (torch.nn.MaxPool3d(2), (2, 4, 5, 6, 7), 1),
        (torch.nn.Linear(3, 4), (2, 5, 4), None),
    ],
)
def test_a_rule_decides_where_it_says_anything(layer, shape, axis):
    array = np.random.default_rng(0).normal(size=shape)
    ours = channels_last(array, axis)
    assert choose_axis(array, ours, torch_rule(layer), "unknown") == axis


def test_shapes_decide_where_one_way_fits():
    array = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert choose_axis(array, np.moveaxis(array, 1, -1), None, "unknown") == 1
    assert choose_axis(array, array + 1, None, "unknown") is None


def test_where_both_fit_identity_decides_and_then_agreement():
    array = np.random.default_rng(0).normal(size=(2, 3, 3))
    moved = np.moveaxis(array, 1, -1)
    assert choose_axis(array, array + 1, None, 1) == 1
    assert choose_axis(array, moved, None, "unknown") == 1
    assert choose_axis(array, array, None, "unknown") is None


def test_a_class_made_from_a_layer_has_its_rule():
    class Own(torch.nn.Conv2d):
        pass

    assert torch_rule(Own(3, 4, 1))[0] == "Conv2d"
    assert torch_rule(torch.nn.Sequential()) is None
