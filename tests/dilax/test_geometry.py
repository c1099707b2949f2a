import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dilax.errors import ArgumentError
from dilax.geometry import effective_kernel_size, output_size, receptive_field

SMALL = st.integers(1, 5)


def test_the_example_of_the_literature():
    assert output_size(7, 3) == 5
    assert output_size(7, 3, dilation=2) == 3
    assert effective_kernel_size(3, 2) == 5


@given(size=st.integers(1, 40), kernel=SMALL, stride=SMALL, padding=st.integers(0, 6), dilation=SMALL)
def test_output_size_is_torchs(size, kernel, stride, padding, dilation):
    x = torch.zeros(1, 1, size)
    weight = torch.zeros(1, 1, kernel)
    arguments = {"stride": stride, "padding": padding, "dilation": dilation}
    try:
        expected = torch.nn.functional.conv1d(x, weight, **arguments).shape[-1]
    except RuntimeError:
        with pytest.raises(ArgumentError):
            output_size(size, kernel, **arguments)
    else:
        assert output_size(size, kernel, **arguments) == expected


@given(layers=st.lists(st.tuples(SMALL, st.integers(1, 3), SMALL), max_size=4))
def test_receptive_field_is_the_input_that_gives_one_output(layers):
    # One output sample needs exactly the receptive field as input, whatever the strides.
    needed = receptive_field(layers)
    length = needed
    for kernel, stride, dilation in layers:
        length = output_size(length, kernel, stride=stride, dilation=dilation)
    assert length == 1
    if needed > 1:
        with pytest.raises(ArgumentError):
            length = needed - 1
            for kernel, stride, dilation in layers:
                length = output_size(length, kernel, stride=stride, dilation=dilation)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: effective_kernel_size(3, 0),
            "effective_kernel_size: dilation=0 is below 1; pass an integer of at least 1.",
        ),
        (
            lambda: output_size(4, 3, dilation=2),
            "output_size: input_size=4 with padding 0 is shorter than the window of 5 samples "
            "(kernel_size 3, dilation 2); pass a longer input, more padding, or less dilation.",
        ),
        (
            lambda: output_size(4, 3, padding=-1),
            "output_size: padding=-1 is negative; pass an integer of at least 0.",
        ),
        (
            lambda: receptive_field([(3, 0, 1)]),
            "receptive_field: stride=0 is below 1; pass an integer of at least 1.",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
