"""Inputs as each side takes them."""

import numpy as np
import pytest

from dilax.errors import ArgumentError
from interop.verification.inputs import prepare


def test_maps_have_channels_and_other_inputs_have_none():
    rng = np.random.default_rng(0)
    image, vector, tokens = (
        rng.normal(size=(2, 3, 4, 5)).astype(np.float32),
        rng.normal(size=(2, 6)),
        rng.integers(0, 9, (2, 3, 4), dtype=np.int32),
    )
    given = prepare((image, vector, tokens), None)
    theirs = given.for_torch(np.float32)
    np.testing.assert_array_equal(theirs[0], image.transpose(0, 3, 1, 2))
    assert [one.dtype for one in theirs] == [np.float32, np.float32, np.int64]
    np.testing.assert_array_equal(theirs[2], tokens)
    assert given.movable == (0, 1)
    np.testing.assert_array_equal(given.for_flax(np.float32)[0], image)


def test_channels_are_turned_off_for_all_or_one():
    one = np.zeros((2, 3, 4))
    assert prepare((one, one), False).channels == (False, False)
    assert prepare((one, one), (False, True)).for_torch(np.float64)[1].shape == (2, 4, 3)


def test_draws_change_what_is_not_zero_by_a_thousandth():
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    x[0, 0] = 0
    drawn = prepare((x, np.arange(4)), None).draw(2)
    change = np.abs(drawn.arrays[0] - x)
    assert 0 < change.max() <= 1e-3 * np.abs(x).max()
    assert not change[0, 0].any()
    np.testing.assert_array_equal(drawn.arrays[1], np.arange(4))


@pytest.mark.parametrize(
    ("inputs", "channels", "message"),
    [
        ((), None, "verify: inputs=() is empty; pass one array or a tuple of them."),
        (
            np.zeros((2, 3)), (True, False),
            "verify: channels=(True, False) does not say it for each of 1 inputs; pass True, False, or one of them "
            "for each input.",
        ),
        (
            "x", None,
            "verify: inputs='str' is no array of numbers; pass NumPy or JAX arrays as the Flax model takes them, "
            "channels last.",
        ),
    ],
)  # fmt: skip
def test_messages(inputs, channels, message):
    with pytest.raises(ArgumentError) as caught:
        prepare(inputs, channels)
    assert str(caught.value) == message
