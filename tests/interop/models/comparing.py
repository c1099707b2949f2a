"""What is compared of any model: its keys, the geometry of its convolutions, its arrays, and its training."""

from typing import NamedTuple

import torch
from flax import nnx

import dilax.nn
import interop
from interop.rules import entries, modules
from interop.testing import assert_parity


def assert_same_bits(model, module):
    """The state_dict of the model is the module's, in its order."""
    back = interop.state_dict(model)
    expected = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    assert list(back) == list(expected)
    for key, array in expected.items():
        assert back[key].dtype == array.dtype
        assert back[key].tobytes() == array.tobytes(), key


def assert_same_structure(model, module):
    """Names and shapes of all arrays, and the geometry of all convolutions; neither side needs numbers."""
    found = {key: shape for entry in entries(model) for key, shape in zip(entry.keys, entry.torch_shapes, strict=True)}
    assert found == {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    assert convolutions(model) == convolutions(module)


class Geometry(NamedTuple):
    """Of a convolution over images."""

    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]
    groups: int


def convolutions(model):
    """All convolutions of a model in PyTorch or in Flax, by their keys."""
    if isinstance(model, torch.nn.Module):
        return {
            key: Geometry(layer.stride, tuple((side, side) for side in layer.padding), layer.dilation, layer.groups)
            for key, layer in model.named_modules()
            if isinstance(layer, torch.nn.Conv2d)
        }
    return {
        path: Geometry(layer.stride, tuple(layer.padding), layer.dilation, layer.groups)
        for path, layer in modules(model)
        if isinstance(layer, dilax.nn.Conv)
    }


def assert_equal_training(model, module, images):
    """Outputs in training mode, batch statistics and all gradients; dropouts are off, for no two masks are the same."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    for _, layer in nnx.iter_graph(model):
        if isinstance(layer, dilax.nn.Dropout):
            layer.p = 0.0
    report = assert_parity(module.train(), model, images, training=True)
    assert len(report.gradients) >= sum(1 for _ in module.parameters())
