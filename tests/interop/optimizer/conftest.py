"""Double precision, so that what differs is the algorithm and not rounding; one thread, for the arrays are tiny."""

import jax
import pytest
import torch


@pytest.fixture(autouse=True)
def _in_double_precision_on_one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with jax.enable_x64(True):
        yield
    torch.set_num_threads(threads)
