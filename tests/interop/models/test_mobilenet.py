"""torchvision's MobileNets: the same keys, the same numbers, and the exact way back."""

import numpy as np
import pytest

pytest.importorskip("torchvision")

import torch
from flax import nnx

import interop
from dilax import models
from dilax.cli import main
from dilax.errors import DilaxError
from interop import reference as twins
from interop.testing import assert_parity, randomise

from .comparing import assert_equal_training, assert_same_bits, assert_same_structure, convolutions
from .mobilenets import KINDS, SEGMENTATION, reference

IMAGES = np.random.default_rng(0).gumbel(size=(2, 33, 41, 3))
QUICK = ("mobilenet_v2", "mobilenet_v3_small, width 0.75", "deeplabv3_mobilenet_v3_large with auxiliary head")
SOME = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
RUN = [
    kind if kind == "mobilenet_v3_small" else pytest.param(kind, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])
    for kind in KINDS
]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    torch.set_num_threads(2)  # PyTorch splits sums among its threads, and R is measured by its rounding


@pytest.mark.parametrize("kind", SOME)
def test_keys_shapes_and_geometry_are_the_references(kind):
    name, options, _ = KINDS[kind]
    with torch.device("meta"):
        module = reference(kind)
    assert_same_structure(nnx.eval_shape(lambda: models.create(name, **options)), module)


@pytest.mark.parametrize("kind", SOME)
def test_options_are_read_off_the_shapes(kind):
    name, options, _ = KINDS[kind]
    with torch.device("meta"):
        arrays = reference(kind).state_dict()
    found = interop.infer_options(name, arrays)
    shown = {key: value for key, value in options.items() if key != "output_stride"}
    assert found.options == {"in_channels": 3, "width_mult": 1.0} | shown
    defaults = models.config_type(name)()
    assert found.assumed == {key: getattr(defaults, key) for key in vars(defaults).keys() - found.options.keys()}
    for other in interop.inference.MODELS:
        if other != name:
            with pytest.raises(DilaxError):
                interop.infer_options(other, arrays)


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
        assert outputs == ["[out]", "[aux]"][: 1 + options.get("auxiliary_head", False)]
    assert_same_bits(model, module)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["mobilenet_v2", "mobilenet_v3_small", "lraspp_mobilenet_v3_large"])
def test_training_is_equal(kind):
    name, options, _ = KINDS[kind]
    module = randomise(reference(kind))
    model = models.create(name, **options)
    interop.load(model, module.state_dict())
    assert_equal_training(model, module, IMAGES)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilations_are_those_of_segmentation_models_pytorch(output_stride):
    encoders = pytest.importorskip("segmentation_models_pytorch.encoders")
    encoder = encoders.get_encoder("mobilenet_v2", weights=None, output_stride=output_stride)
    model = nnx.eval_shape(lambda: models.create("mobilenet_v2", output_stride=output_stride))
    theirs, ours = convolutions(encoder), convolutions(model)
    assert list(ours) == list(theirs)
    # It dilates convolutions of one tap too, which changes nothing.
    assert {key: one for key, one in ours.items() if one.groups > 1} == {
        key: one for key, one in theirs.items() if one.groups > 1
    }


@pytest.mark.slow
@pytest.mark.parametrize("output_stride", [8, 16])
def test_feature_maps_are_those_of_segmentation_models_pytorch(output_stride):
    encoders = pytest.importorskip("segmentation_models_pytorch.encoders")
    encoder = encoders.get_encoder("mobilenet_v2", weights=None, output_stride=output_stride)
    module = randomise(encoder).eval()
    model = models.create("mobilenet_v2", output_stride=output_stride, num_classes=1)
    rest = {"classifier.1.weight": np.zeros((1, 1280), np.float32), "classifier.1.bias": np.zeros(1, np.float32)}
    interop.load(model, module.state_dict() | rest)
    model.eval()
    x = np.random.default_rng(0).gumbel(size=(2, 64, 96, 3)).astype(np.float32)
    with torch.no_grad():
        expected = module.double()(torch.tensor(np.moveaxis(x, -1, 1)).double())[1:]
    found = nnx.jit(lambda model, x: model.feature_maps(x))(model, x)
    assert sorted(found, key=lambda key: int(key.partition(".")[2])) == [
        *("features.1", "features.3", "features.6", "features.13", "features.18"),
    ]
    for key, channels, theirs in zip(map("features.{}".format, model.ends), model.channels, expected, strict=True):
        theirs = np.moveaxis(theirs.numpy(), 1, -1)
        assert found[key].shape == theirs.shape == (*theirs.shape[:-1], channels)
        assert np.abs(found[key] - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mobilenet_v2", {"output_stride": 8, "in_channels": 2, "width_mult": 0.5}),
        ("mobilenet_v2", {"output_stride": 16, "dropout": 0.5}),
        ("mobilenet_v3_large", {"output_stride": 8, "in_channels": 1}),
        ("mobilenet_v3_small", {"output_stride": 8, "width_mult": 1.25, "dropout": 0.0}),
        ("deeplabv3_mobilenet_v3_large", {"output_stride": 8, "width_mult": 0.75, "dilations": (6, 12)}),
        ("lraspp_mobilenet_v3_large", {"output_stride": 32, "width_mult": 0.5, "in_channels": 4}),
    ],
)
def test_other_options_have_twins(name, options):
    module = randomise(twins.create(name, **options)).eval()
    model = models.create(name, **options)
    interop.load(model, module.state_dict())
    assert_same_structure(model, module)
    images = np.random.default_rng(1).gumbel(size=(2, 65, 73, options.get("in_channels", 3)))
    assert_parity(module, model, images, gradients=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_file_is_inspected_converted_and_goes_back(tmp_path, capsys):
    path, target, back = tmp_path / "model.pth", tmp_path / "converted", tmp_path / "back.pth"
    module = randomise(reference("deeplabv3_mobilenet_v3_large with auxiliary head"))
    torch.save(module.state_dict(), path)
    assert main(["inspect", str(path)]) == 0
    name = "deeplabv3_mobilenet_v3_large"
    options = "in_channels=3 width_mult=1.0 num_classes=5 auxiliary_head=True"
    assert f"{name} {options}" in " ".join(capsys.readouterr().out.split())
    assert main(["convert", str(path), "--model", name, "--no-verify", "--output", str(target)]) == 0
    assert f"model: {name} output_stride=16 dilations=12,24,36 {options}\n" in capsys.readouterr().out
    assert main(["export", str(target), "--output", str(back)]) == 0
    arrays = torch.load(back, weights_only=True)
    expected = module.state_dict()
    assert list(arrays) == list(expected)
    assert all(torch.equal(arrays[key], tensor) for key, tensor in expected.items())


def test_another_checkpoint_is_refused():
    with torch.device("meta"):
        arrays = reference("mobilenet_v2").state_dict()
    with pytest.raises(DilaxError) as caught:
        interop.infer_options("lraspp_mobilenet_v3_large", arrays)
    assert str(caught.value) == (
        "infer_options: the state_dict is not that of lraspp_mobilenet_v3_large; pass the checkpoint of one, with "
        "torchvision's keys, or the name of its own model."
    )
