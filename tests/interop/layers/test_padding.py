import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import interop
from dilax.errors import ArgumentError

from .parity import check

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.ConstantPad1d((2, -1), 1.5),
        torch.nn.ZeroPad2d((1, 2, -1, 0)),
        torch.nn.ReflectionPad3d((1, 0, 2, 3, 0, 1)),
        torch.nn.ReplicationPad2d((3, 1, 0, 5)),
        torch.nn.CircularPad3d((2, 1, 0, 3, 4, 0)),
    ],
    ids=str,
)
def test_padding(module):
    axes = len(module.padding) // 2
    check(module, RNG.normal(size=(2, 3, *(4, 5, 6)[:axes])))


def test_padding_of_channels_is_refused():
    with pytest.raises(ArgumentError) as caught:
        interop.from_torch(torch.nn.ZeroPad2d((1, 2, 3, 4, 5, 6)))
    assert str(caught.value) == (
        "from_torch: padding=(1, 2, 3, 4, 5, 6) of ZeroPad2d is for other axes than its 2 of space; "
        "make the layer with 4 numbers."
    )


@pytest.mark.slow
@given(data=st.data(), axes=st.integers(1, 3), kind=st.sampled_from(["Reflection", "Replication", "Circular"]))
@settings(deadline=None)
def test_every_pad(data, axes, kind):
    size = data.draw(st.tuples(*[st.integers(3, 5)] * axes))
    # Beyond these PyTorch raises, or wraps what it has not written yet.
    reach = 0 if kind == "Replication" else -1
    ends = [data.draw(st.integers(-1, length + reach)) for length in reversed(size) for _ in range(2)]
    batch = data.draw(st.sampled_from([(), (2,)]))
    check(getattr(torch.nn, f"{kind}Pad{axes}d")(tuple(ends)), RNG.normal(size=(*batch, 3, *size)))
