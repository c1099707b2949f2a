"""Models by name, and what all configurations have in common."""

import dataclasses
import json

import pytest
from flax import nnx

from dilax import models
from dilax.errors import ArgumentError

NAMES = models.list()
#: One name for each type of configuration.
KINDS = {models.config_type(name): name for name in NAMES}
#: What no option of any model can be.
NEVER = ("?", "", b"1", -1, 0.5j, float("nan"), object(), {}, {1}, [0], (None,), [[1]])
#: By name, a configuration none of whose options is the default.
OTHERS = {
    "deeplabv3_resnet50": {
        "in_channels": 2, "output_stride": 16, "multi_grid": (1, 2, 4), "num_classes": 3, "auxiliary_head": True,
        "dilations": (6, 12),
    },
    "deeplabv3_mobilenet_v3_large": {
        "in_channels": 2, "output_stride": 8, "width_mult": 0.75, "num_classes": 3, "auxiliary_head": True,
        "dilations": (6, 12),
    },
    "smp_deeplabv3": {
        "encoder_name": "resnet50", "encoder_depth": 4, "encoder_output_stride": 16, "in_channels": 2, "classes": 3,
        "activation": "sigmoid", "upsampling": 2, "aux_classes": 4, "aux_pooling": "max", "aux_dropout": 0.5,
        "decoder_channels": 24, "decoder_atrous_rates": (1, 2, 3), "decoder_aspp_separable": True,
        "decoder_aspp_dropout": 0.25,
    },
    "drn_seg": {"in_channels": 2, "num_classes": 3, "base": "drn_c_26", "channels": 4, "upsampling": "bilinear"},
}  # fmt: skip


def test_names_are_sorted_and_each_is_there_once():
    assert sorted(set(NAMES)) == NAMES == models.list_models()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_option_takes_what_it_cannot_be(kind):
    for field in dataclasses.fields(kind):
        for value in NEVER:
            with pytest.raises(ArgumentError) as caught:
                kind(**{field.name: value})
            name = kind.__name__.removesuffix("Config")
            received = tuple(value) if isinstance(value, list) and isinstance(field.default, tuple) else value
            assert str(caught.value).startswith(f"{name}: {field.name}={received!r} ")


@pytest.mark.parametrize("name", OTHERS)
def test_a_configuration_survives_json(name):
    config = models.config_type(name)(**OTHERS[name])
    usual = dataclasses.asdict(models.config_type(name)())
    assert [key for key, value in dataclasses.asdict(config).items() if value == usual[key]] == []
    assert type(config)(**json.loads(json.dumps(dataclasses.asdict(config)))) == config
    assert config.num_classes == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: models.create("deeplabv3_resnet5"),
            "create: name='deeplabv3_resnet5' is no model (did you mean 'deeplabv3_resnet50'?); pass one of "
            f"deeplabv3_resnet50, deeplabv3_resnet101, wide_resnet50_2, deeplabv3_mobilenet_v3_large, ecaresnet50t, … "
            f"({len(NAMES)} in all).",
        ),
        (lambda: models.create(["mesh"]), f"create: name=['mesh'] is no model; pass one of {', '.join(NAMES)}."),
        (
            lambda: models.create("fcn_resnet50", aux_loss=True),
            "create: options='aux_loss' is no option of fcn_resnet50; pass some of in_channels, output_stride, "
            "multi_grid, num_classes, auxiliary_head.",
        ),
        (
            lambda: models.create("fcn_resnet50", auxiliary_head=1),
            "FCN: auxiliary_head=1 is no bool; pass True or False.",
        ),
        (lambda: models.create("meshnet", dropout="0.1"), "MeshNet: dropout='0.1' is no number; pass a number."),
        (
            lambda: models.create("smp_pan", encoder_name=["resnet18"]),
            "SmpPAN: encoder_name=['resnet18'] is no encoder (did you mean 'resnet18'?); pass one of resnet18, "
            "resnet34, resnet50, resnet101, resnet152, resnext50_32x4d, resnext101_32x4d, resnext101_32x8d, "
            "resnext101_32x16d, resnext101_32x32d, mobilenet_v2.",
        ),
    ],
)
def test_what_is_rejected(make, message):
    with pytest.raises(ArgumentError) as caught:
        nnx.eval_shape(make)
    assert str(caught.value) == message
