"""What is known to go wrong in conversions, each as a test on one layer."""

from collections.abc import Callable

from .activation import activation
from .case import Case as Case
from .epsilon import epsilon
from .exchanged import channel_order, exchanged_arrays, exchanged_branches
from .kernels import (
    flattened_order,
    flipped_kernel,
    gate_order,
    grouped_kernel,
    missing_bias,
    permuted_axes,
    reshaped_weight,
    transposed_weight,
)
from .padding import padding_side
from .resizing import align_corners, resize_mode
from .statistics import batch_statistics, biased_variance, momentum, stale_statistics

#: Each takes a case and gives a sentence, or None if it is not the cause. The likeliest explanation comes first.
CAUSES: tuple[Callable[[Case], str | None], ...] = (
    epsilon,
    stale_statistics,
    batch_statistics,
    momentum,
    biased_variance,
    padding_side,
    align_corners,
    resize_mode,
    activation,
    missing_bias,
    flipped_kernel,
    transposed_weight,
    grouped_kernel,
    reshaped_weight,
    permuted_axes,
    flattened_order,
    gate_order,
    exchanged_branches,
    exchanged_arrays,
    channel_order,
)


def find(case: Case) -> tuple[str, str] | None:
    """The first cause that explains a case, by its name and in a sentence; None if none does."""
    for cause in CAUSES:
        sentence = cause(case)
        if sentence is not None:
            return cause.__name__, f"{sentence}; tested: with that change PyTorch's layer gives Flax's result."
    return None
