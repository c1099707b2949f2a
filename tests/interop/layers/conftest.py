"""The same random layers and inputs whichever tests run; one case of each test in the quick run, all in the CI.

PyTorch on two threads: it splits sums among as many as it has, so that its rounding error, by which ours is measured,
would differ from machine to machine.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(2)


def pytest_collectstart(collector):
    if isinstance(collector, pytest.Module):  # its cases are made when it is imported
        torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    seen = set()
    for item in items:
        if item.path.parent == Path(__file__).parent:
            if item.function in seen:  # each case compiles for a second or so
                item.add_marker(pytest.mark.slow)
            seen.add(item.function)


@pytest.fixture(autouse=True)
def _seeded(request):
    torch.manual_seed(0)
    if hasattr(request.module, "RNG"):
        request.module.RNG = np.random.default_rng(0)
