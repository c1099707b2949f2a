"""Every model has a PyTorch twin, and something that reads its options off a checkpoint."""

import dilax.models
from interop.inference import MODELS
from interop.reference.registry import NAMES


def test_each_name_has_both():
    assert dilax.models.list() == sorted(NAMES) == sorted(MODELS)
