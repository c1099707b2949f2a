"""Which models a state_dict could be of: alike for one name and for all, and whatever its shapes and keys are."""

import numpy as np
import pytest
import torch

import interop
from dilax.errors import DilaxError
from interop.inference import MODELS, fitting

torchvision = pytest.importorskip("torchvision")

# For each model, arrays that its reader looks at.
STATE_DICTS = {
    "resnet18": ("conv1.weight", "layer1.0.conv2.weight", "fc.weight"),
    "mobilenet_v3_small": ("features.0.0.weight", "features.11.block.3.0.weight", "classifier.3.weight"),
    "lraspp_mobilenet_v3_large": (
        "backbone.0.0.weight",
        "backbone.15.block.3.0.weight",
        "classifier.low_classifier.weight",
    ),
}
ODD = ((), (5,), (2**60, 0), (2**60, 0, 1, 1), (0, 2**60, 1, 1), (1, 0, 2**60, 1, 1))


class Array:
    """An array without numbers."""

    dtype = np.dtype(np.float32)

    def __init__(self, shape):
        self.shape = tuple(shape)


def _arrays(name):
    with torch.device("meta"):
        builders = torchvision.models.segmentation if "lraspp" in name else torchvision.models
        options = {"weights": None, "weights_backbone": None} if "lraspp" in name else {}
        return {key: Array(value.shape) for key, value in getattr(builders, name)(**options).state_dict().items()}


def _one_by_one(arrays):
    found = {}
    for name in MODELS:
        try:
            found[name] = interop.infer_options(name, arrays)
        except DilaxError:
            continue
    return found


@pytest.mark.parametrize("name", STATE_DICTS)
def test_all_at_once_is_what_one_by_one_gives(name):
    arrays = _arrays(name)
    for prefix in ("", "module.", "model.module."):
        found = fitting({f"{prefix}{key}": array for key, array in arrays.items()})
        assert list(found) == [name]
        assert found == _one_by_one({f"{prefix}{key}": array for key, array in arrays.items()})
    beside = {**{f"model.{key}": array for key, array in arrays.items()}, "mean": Array((3,))}
    assert fitting(beside) == _one_by_one(beside) == {}
    with pytest.raises(DilaxError) as caught:
        interop.infer_options(name, beside)
    assert str(caught.value).startswith(
        f"infer_options: the keys of a {name} begin with 'model.', beside which the state_dict has mean; leave them out"
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("shape", ODD)
@pytest.mark.parametrize("name", STATE_DICTS)
def test_odd_shapes_are_of_no_model(name, shape):
    arrays = _arrays(name)
    for key in STATE_DICTS[name]:
        found = fitting({**arrays, key: Array(shape)})
        assert name not in found or len(shape) == len(arrays[key].shape)


@pytest.mark.parametrize(
    "keys",
    ["conv1.0.weight conv1.3.weight", "fc.weight layer0.0.weight", "conv1.weight layer1.0.conv2.weight fc.weight"],
)
def test_scalars_where_kernels_belong(keys):
    assert fitting({key: Array(()) for key in keys.split()}) == {}


@pytest.mark.timeout(20)
def test_keys_of_many_words_and_keys_that_are_no_text():
    for arrays in ({"a." * 3000 + "b": Array((3,))}, {0: Array((2,)), (1, 2): Array(()), None: Array((2, 3))}):
        assert fitting(arrays) == {}
        with pytest.raises(DilaxError, match="where a meshnet has 10"):
            interop.infer_options("meshnet", arrays)
