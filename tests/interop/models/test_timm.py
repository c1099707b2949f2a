"""timm's ResNets: the same keys, geometry and numbers at every output stride, and the exact way back."""

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    timm = pytest.importorskip("timm")

import jax
import torch
from flax import nnx
from timm.layers import EcaModule, SEModule
from timm.models.resnet import BasicBlock as TimmBasicBlock

import dilax.nn
import interop
from dilax import models
from dilax.architectures import ARCHITECTURES
from interop import reference
from interop.rules import entries
from interop.testing import assert_parity, randomise

from .classic import assert_same_arrays, image
from .references import TIMM

#: Name and output stride; between them every option of the table of architectures.
QUICK = (("resnet10t", 8), ("seresnext26d_32x4d", 16), ("ecaresnetlight", 32))
ALL = [(name, stride) for name in ARCHITECTURES for stride in (8, 32)]
CLASSES = 40


def made(name, output_stride):
    return timm.create_model(name, num_classes=CLASSES, output_stride=output_stride)


def pair(name, output_stride):
    torch.manual_seed(0)
    torch.set_num_threads(2)
    module = randomise(made(name, output_stride)).eval()
    model = models.create(name, num_classes=CLASSES, output_stride=output_stride)
    interop.load(model, module.state_dict())
    return module, model


def assert_all_compared(report, module):
    """Activations have other names in timm, and no numbers; every layer that has numbers must be compared."""
    compared = {layer.name.partition("#")[0] for layer in report.layers}
    assert compared >= {name for name, one in module.named_modules() if any(True for _ in one.parameters(False))}


@pytest.mark.parametrize(
    ("name", "output_stride"),
    [*QUICK, *(pytest.param(*one, marks=pytest.mark.slow) for one in ALL if one not in QUICK)],
)
def test_keys_shapes_geometry_and_what_is_read_off_them(name, output_stride):
    with torch.device("meta"):
        module = made(name, output_stride)
    model = nnx.eval_shape(lambda: models.create(name, num_classes=CLASSES, output_stride=output_stride))
    found = {key: shape for entry in entries(model) for key, shape in zip(entry.keys, entry.torch_shapes, strict=True)}
    assert found == {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    convolutions = {
        key: (layer.stride, tuple((side, side) for side in layer.padding), layer.dilation, layer.groups)
        for key, layer in module.named_modules()
        if isinstance(layer, torch.nn.Conv2d)
    }
    ours = {
        ".".join(map(str, path)): (layer.stride, tuple(layer.padding), layer.dilation, layer.groups)
        for path, layer in nnx.iter_graph(model)
        if isinstance(layer, dilax.nn.Conv) and len(layer.stride) == 2
    }
    assert ours == convolutions
    inferred = interop.infer_options(name, module.state_dict())
    assert inferred.options == {"in_channels": 3, "num_classes": CLASSES}
    grid = {"multi_grid": None} if ARCHITECTURES[name].bottleneck else {}
    assert inferred.assumed == {"output_stride": 32} | grid


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "output_stride"), TIMM)
def test_every_layer_is_equal_and_the_way_back_is_exact(name, output_stride):
    module, model = pair(name, output_stride)
    assert list(interop.state_dict(model)) == list(module.state_dict())
    assert_same_arrays(model, module)
    assert_all_compared(assert_parity(module, model, image(33, 41), gradients=False), module)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "output_stride"), [("resnet10t", 8), ("seresnet18", 16), ("ecaresnet26t", 32)])
def test_training_is_equal(name, output_stride):
    """Outputs, batch statistics and all gradients."""
    module, model = pair(name, output_stride)
    assert_parity(module.train(), model, image(65, 73), training=True)


@pytest.mark.slow
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_feature_maps_are_those_of_features_only(output_stride):
    module, model = pair("seresnet18", output_stride)
    features = timm.create_model(
        "seresnet18", features_only=True, output_stride=output_stride, out_indices=(1, 2, 3, 4)
    ).eval()
    features.load_state_dict({key: value for key, value in module.state_dict().items() if not key.startswith("fc.")})
    x = image(65, 73)
    with jax.enable_x64(True), torch.no_grad():
        graph, state = nnx.split(model)
        state = jax.tree.map(lambda a: a.astype(np.float64) if a.dtype == np.float32 else a, state)
        wide = nnx.merge(graph, state)
        wide.eval()
        maps = list(wide.feature_maps(x).values())
        expected = features.double()(torch.tensor(np.moveaxis(x, -1, 1)))
        for one, other in zip(maps, expected, strict=True):
            other = np.moveaxis(other.numpy(), 1, -1)
            assert one.shape == other.shape
            assert abs(np.asarray(one) - other).max() <= 1e-11 * abs(other).max()


@pytest.mark.parametrize("kind", ["se", "eca"])
def test_attention_alone(kind):
    torch.manual_seed(0)
    theirs = SEModule(24, rd_channels=5) if kind == "se" else EcaModule(200)
    rngs = nnx.Rngs(0)
    ours = dilax.nn.SqueezeExcitation(24, 5, rngs=rngs) if kind == "se" else None
    ours = ours or dilax.nn.EfficientChannelAttention(200, rngs=rngs)
    theirs = randomise(theirs)
    interop.load(ours, theirs.state_dict())
    x = np.random.default_rng(0).gumbel(size=(2, 5, 7, 24 if kind == "se" else 200))
    assert_parity(theirs, ours, x)
    assert list(interop.state_dict(ours)) == list(theirs.state_dict())


def test_a_dilated_basic_block_with_attention():
    torch.manual_seed(0)
    shortcut = torch.nn.Sequential(torch.nn.Conv2d(6, 16, 1, bias=False), torch.nn.BatchNorm2d(16))
    theirs = randomise(
        TimmBasicBlock(6, 16, dilation=4, first_dilation=2, downsample=shortcut, attn_layer=SEModule)
    ).eval()
    rngs = nnx.Rngs(0)
    attention = dilax.nn.SqueezeExcitation(16, 8, rngs=rngs)
    ours = dilax.nn.BasicBlock(6, 16, dilation=4, first_dilation=2, attention=attention, rngs=rngs)
    interop.load(ours, theirs.state_dict())
    assert_parity(theirs, ours, np.random.default_rng(0).gumbel(size=(2, 11, 13, 6)))


def test_the_twin_is_torchvisions_where_it_can_be_dilated_and_else_timms():
    with torch.device("meta"):
        twins = {
            (name, stride): type(reference.create(name, output_stride=stride)).__module__.partition(".")[0]
            for name, stride in [("resnet18", 32), ("resnet18", 8), ("resnet50", 8), ("seresnet18", 32)]
        }
    assert list(twins.values()) == ["torchvision", "timm", "torchvision", "timm"]


@pytest.mark.parametrize(
    ("name", "output_stride", "multi_grid", "rates"),
    [("resnet26", 16, (1, 3), [2, 6]), ("resnet14t", 8, (3,), [12])],  # the second: stages of one block
)
def test_multi_grid_is_that_of_the_twin(name, output_stride, multi_grid, rates):
    options = {"output_stride": output_stride, "multi_grid": multi_grid}
    with torch.device("meta"):
        twin = reference.create(name, **options)
    model = nnx.eval_shape(lambda: models.create(name, **options))
    for stages in (twin, model):
        assert [block.conv2.dilation for block in stages.layer4] == [(rate, rate) for rate in rates]
