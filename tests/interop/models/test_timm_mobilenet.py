"""timm's MobileNets: the same keys, the same numbers, and the exact way back."""

import numpy as np
import pytest

pytest.importorskip("timm")

import timm
import torch
from flax import nnx

import interop
from dilax import models
from dilax.errors import DilaxError
from interop import reference as twins
from interop.testing import assert_parity, randomise

from .comparing import assert_equal_training, assert_same_bits, assert_same_structure, convolutions

IMAGES = np.random.default_rng(0).gumbel(size=(2, 33, 41, 3))
NAMES = ("mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100")
CASES = [(name, output_stride) for name in NAMES for output_stride in (32, 16, 8)]
#: Modules of timm's that give back what they are given, or that are functions in Flax.
ASIDE = {"aa", "drop_path", "global_pool", "pool", "flatten", "norm_head"}


def some(*quick):
    return [case if case in quick else pytest.param(*case, marks=pytest.mark.slow) for case in CASES]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    torch.set_num_threads(2)  # PyTorch splits sums among its threads, and R is measured by its rounding


@pytest.mark.parametrize(("name", "output_stride"), some(("mobilenetv2_100", 8), ("mobilenetv3_small_100", 32)))
def test_keys_shapes_and_geometry_are_the_references(name, output_stride):
    # In timm a MobileNetV3 with a classifier cannot be dilated.
    options = {} if output_stride == 32 or name.startswith("mobilenetv3") else {"output_stride": output_stride}
    module = timm.create_model(name, num_classes=7, **options)
    whole = 32 if name.startswith("mobilenetv3") else output_stride
    model = nnx.eval_shape(lambda: models.create(f"timm_{name}", num_classes=7, output_stride=whole))
    assert_same_structure(model, module)


@pytest.mark.parametrize(("name", "output_stride"), some(("mobilenetv3_small_100", 8)))
def test_dilations_are_those_of_the_feature_extractor(name, output_stride):
    module = timm.create_model(name, features_only=True, output_stride=output_stride)
    model = nnx.eval_shape(lambda: models.create(f"timm_{name}", output_stride=output_stride))
    ours, theirs = convolutions(model), convolutions(module)
    for key in theirs.keys() - {"blocks.5.0.conv", "blocks.6.0.conv"}:  # of one tap, which timm dilates all the same
        assert ours[key] == theirs[key], key
    assert {one.dilation for one in ours.values()} == {
        (rate, rate) for rate in (1, 2, 4) if rate <= 32 // output_stride
    }


@pytest.mark.parametrize("name", NAMES)
def test_options_are_read_off_the_shapes(name):
    with torch.device("meta"):
        arrays = twins.create(f"timm_{name}", num_classes=7, in_channels=4).state_dict()
    found = interop.infer_options(f"timm_{name}", arrays)
    assert found.options == {"in_channels": 4, "num_classes": 7}
    assert found.assumed == {"output_stride": 32, "dropout": 0.0}
    for other in interop.inference.MODELS:
        if other != f"timm_{name}":
            with pytest.raises(DilaxError):
                interop.infer_options(other, arrays)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "output_stride"), CASES)
def test_every_layer_is_equal_and_the_way_back_is_exact(name, output_stride):
    options = {"output_stride": output_stride, "num_classes": 7}
    module = randomise(twins.create(f"timm_{name}", **options)).eval()
    model = models.create(f"timm_{name}", **options)
    interop.load(model, module.state_dict())
    report = assert_parity(module, model, IMAGES, gradients=False)
    for text in report.not_compared:
        path, _, why = text.partition(" ")
        assert path.rpartition(".")[2] in ASIDE
        assert why == "(in PyTorch alone)"
    assert_same_bits(model, module)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["mobilenetv2_100", "mobilenetv3_small_100"])
def test_training_is_equal(name):
    # Of smaller images the last layers normalise 8 places, and gradients are badly conditioned: up to 2.4e-12 apart in
    # float64, for 3e-13 of these.
    images = np.random.default_rng(0).gumbel(size=(2, 97, 81, 3))
    module = randomise(timm.create_model(name, num_classes=7))
    model = models.create(f"timm_{name}", num_classes=7)
    interop.load(model, module.state_dict())
    assert_equal_training(model, module, images)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "output_stride"), CASES)
def test_feature_maps_are_timms(name, output_stride):
    module = randomise(timm.create_model(name, features_only=True, output_stride=output_stride)).eval()
    model = models.create(f"timm_{name}", output_stride=output_stride)
    interop.load(model, twins.create(f"timm_{name}").state_dict() | module.state_dict())
    model.eval()
    with torch.no_grad():
        expected = module.double()(torch.tensor(np.moveaxis(IMAGES, -1, 1)))
    found = nnx.jit(lambda model, x: model.feature_maps(x))(model, IMAGES.astype(np.float32))
    names = module.feature_info.module_name()
    assert set(found) == {"bn1" if name == "act1" else name for name in names}
    for key, theirs in zip(names, expected, strict=True):
        ours, theirs = found[key], np.moveaxis(theirs.numpy(), 1, -1)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()
