"""Preprocessing by name against that of torchvision's weights and of timm's configurations, bit for bit."""

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torchvision = pytest.importorskip("torchvision")
    timm = pytest.importorskip("timm")

from PIL import Image

from dilax.architectures import ARCHITECTURES
from dilax.data import VOC_CLASS_NAMES, preprocess, reference_preprocessing

from .references import CLASSIFICATION, SEGMENTATION

WIDE = np.random.default_rng(0).integers(0, 256, (97, 301, 3)).astype(np.uint8)
HIGH = np.random.default_rng(1).integers(0, 256, (613, 275, 3)).astype(np.uint8)


def compare(name, transform):
    for image in (WIDE, HIGH):
        ours = preprocess(image, reference_preprocessing(name))
        theirs = np.moveaxis(transform(Image.fromarray(image)).numpy(), 0, -1)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("name", [*CLASSIFICATION, *SEGMENTATION])
def test_torchvisions_newest_weights(name):
    compare(name, torchvision.models.get_model_weights(name).DEFAULT.transforms())


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - set(CLASSIFICATION)))
def test_timms_configurations(name):
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    compare(name, timm.data.create_transform(**config))


def test_segmentation_models_pytorchs_preprocessing():
    """Its statistics are fetched from the net; of ResNets' encoders they are ImageNet's, between 0 and 1."""
    preprocess_input = pytest.importorskip("segmentation_models_pytorch.encoders._preprocessing").preprocess_input
    mean, std = timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD
    ours = preprocess(WIDE, reference_preprocessing("smp_deeplabv3plus"))
    theirs = preprocess_input(WIDE, mean=mean, std=std, input_space="RGB", input_range=[0, 1])
    assert ours.shape == (128, 320, 3)
    # Three roundings, of values up to 1 that are then divided by 0.224.
    np.testing.assert_allclose(ours[:97, :301], theirs, rtol=0, atol=1.5 * 2**-24 / 0.224)


def test_names_of_vocs_classes():
    for name in SEGMENTATION:
        categories = torchvision.models.get_model_weights(name).DEFAULT.meta["categories"]
        assert [one.strip("_") for one in categories] == list(VOC_CLASS_NAMES)
