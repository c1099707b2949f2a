"""torchvision's ResNets and segmentation models: the same keys, the same numbers, and the exact way back."""

import numpy as np
import pytest

pytest.importorskip("torchvision")

import torch
import torchvision
from flax import nnx

import dilax.nn
import interop
from dilax import models
from interop.reference.torchvision_models import REFERENCES, RESNETS
from interop.rules import entries
from interop.testing import assert_parity, randomise

from .references import CLASSIFICATION, KINDS, SEGMENTATION, reference, small, small_twin

IMAGES = np.random.default_rng(0).gumbel(size=(2, 33, 41, 3))
QUICK = ("resnet18", "deeplabv3_resnet50 with auxiliary head")
SOME = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
# Half a minute each, and more: without auxiliary head one of them is enough, for the keys of all are compared.
RUN = [
    kind if kind == "resnet18" else pytest.param(kind, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])
    for kind in KINDS
    if kind not in SEGMENTATION or kind == "fcn_resnet50"
]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    torch.set_num_threads(2)  # PyTorch splits sums among its threads, and R is measured by its rounding


def assert_same_bits(model, module):
    back = interop.state_dict(model)
    expected = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    assert list(back) == list(expected)
    for key, array in expected.items():
        assert back[key].dtype == array.dtype
        assert back[key].tobytes() == array.tobytes(), key


def test_all_models_of_torchvision_are_here():
    assert set(models.list()) >= {*CLASSIFICATION, *SEGMENTATION} == {*RESNETS, *REFERENCES}


@pytest.mark.parametrize("kind", SOME)
def test_keys_shapes_and_geometry_are_the_references(kind):
    name, options, _ = KINDS[kind]
    with torch.device("meta"):
        module = reference(kind)
    model = nnx.eval_shape(lambda: models.create(name, **options))
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
        if isinstance(layer, dilax.nn.Conv)
    }
    assert ours == convolutions


@pytest.mark.parametrize("kind", SOME)
def test_options_are_read_off_the_shapes(kind):
    name, options, _ = KINDS[kind]
    with torch.device("meta"):
        arrays = reference(kind).state_dict()
    found = interop.infer_options(name, arrays)
    shown = {key: value for key, value in options.items() if key != "output_stride"}
    assert found.options == {"in_channels": 3, **shown}
    defaults = models.config_type(name)()
    assert found.assumed == {key: getattr(defaults, key) for key in found.assumed}


@pytest.mark.slow
@pytest.mark.parametrize("head", ["fcn", "deeplabv3"])
def test_other_backbones_and_dilations_are_equal(head):
    module = small(head).eval()
    model = small_twin(head, rngs=nnx.Rngs(0))
    interop.load(model, module.state_dict())
    assert_parity(module, model, IMAGES, gradients=False)
    assert_same_bits(model, module)


@pytest.mark.parametrize("kind", RUN)
def test_every_layer_is_equal_and_the_way_back_is_exact(kind):
    name, options, _ = KINDS[kind]
    module = randomise(reference(kind)).eval()
    model = models.create(name, **options)
    interop.load(model, module.state_dict())
    report = assert_parity(module, model, IMAGES, gradients=False)
    assert report.not_compared == ()
    if name in SEGMENTATION:
        outputs = [layer.name for layer in report.layers if layer.kind == type(module).__name__]
        assert outputs == ["[out]", "[aux]"][: 1 + options["auxiliary_head"]]
    assert_same_bits(model, module)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_training_is_equal():
    """Outputs, batch statistics and all gradients."""
    name, options, _ = KINDS["fcn_resnet50 with auxiliary head"]
    module = randomise(reference("fcn_resnet50 with auxiliary head"))
    model = models.create(name, **options)
    interop.load(model, module.state_dict())
    for layer in module.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0  # no two frameworks draw the same mask
    for _, layer in nnx.iter_graph(model):
        if isinstance(layer, dilax.nn.Dropout):
            layer.p = 0.0
    assert_parity(module, model, IMAGES, training=True)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("output_stride", "rates"), [(8, [4, 8, 16]), (16, [2, 4, 8]), (32, [1, 2, 4])])
def test_multi_grid_multiplies_the_dilations_of_the_last_stage(output_stride, rates):
    dilated = {8: [False, True, True], 16: [False, False, True], 32: [False, False, False]}[output_stride]
    module = randomise(torchvision.models.resnet50(num_classes=7, replace_stride_with_dilation=dilated)).eval()
    for block, rate in zip(module.layer4, rates, strict=True):
        block.conv2.dilation = block.conv2.padding = (rate, rate)
    options = {"num_classes": 7, "output_stride": output_stride, "multi_grid": (1, 2, 4)}
    model = models.create("resnet50", **options)
    interop.load(model, module.state_dict())
    assert_parity(module, model, IMAGES, gradients=False)
    twin = interop.reference.create("resnet50", **options).layer4
    assert [block.conv2.dilation for block in twin] == [(rate, rate) for rate in rates]


@pytest.mark.slow
def test_feature_maps_are_the_references():
    module = randomise(reference("resnet18")).double().eval()
    model = models.create("resnet18", num_classes=7)
    interop.load(model, module.state_dict())
    model.eval()
    maps = model.feature_maps(IMAGES.astype(np.float32))
    x = torch.tensor(np.moveaxis(IMAGES, -1, 1))
    with torch.no_grad():
        x = module.maxpool(module.relu(module.bn1(module.conv1(x))))
        for name in ("layer1", "layer2", "layer3", "layer4"):
            x = getattr(module, name)(x)
            expected = np.moveaxis(x.numpy(), 1, -1)
            assert maps[name].shape == expected.shape
            assert np.abs(maps[name] - expected).max() <= 1e-5 * np.abs(expected).max()
    assert list(maps) == ["layer1", "layer2", "layer3", "layer4"]
