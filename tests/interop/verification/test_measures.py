"""The two figures, against sampled distributions and infinities."""

import math

import numpy as np
import pytest

from interop.verification.measures import Ratio, difference, limit, relative_error


def test_large_arrays_have_the_limit_two():
    assert limit(47) == limit(10**9) == 2.0
    assert limit(46) > 2


@pytest.mark.parametrize("count", [4, 9, 16, 46, 47])
def test_equal_roundings_hardly_ever_pass_the_limit(count):
    rng = np.random.default_rng(count)
    samples = 200_000
    energies = rng.chisquare(count, (2, samples))
    passed = (np.sqrt(energies[0] / energies[1]) > limit(count)).mean()
    assert passed <= (1e-3 if count < 9 else 1e-4)


@pytest.mark.parametrize("count", [47, 400])
def test_a_result_three_times_as_far_is_seen(count):
    rng = np.random.default_rng(count)
    ratio = Ratio()
    for _ in range(4):
        truth = rng.normal(size=count)
        errors = rng.normal(size=(2, count)) * 1e-7
        ratio.add(truth + 3 * errors[0], truth + errors[1], truth)
    assert 2 < ratio.value < 4
    assert ratio.count == 4 * count


def test_a_result_of_rounding_alone_counts_as_half_a_unit():
    truth = np.ones((3, 4))
    ratio = Ratio()
    ratio.add(truth + 2**-24, truth, truth)
    assert ratio.value == 2.0


def test_infinities_and_no_numbers():
    one = np.array([np.inf, -np.inf, np.nan, 1.0])
    np.testing.assert_array_equal(difference(one, one), 0)
    assert relative_error(one, one) == 0
    assert relative_error(np.array([np.inf, 1.0]), np.array([2.0, 1.0])) == math.inf
    assert relative_error(np.array([np.nan, 1.0]), np.array([2.0, 1.0])) == math.inf
    assert relative_error(np.ones((2, 3)), np.ones((3, 2))) == math.inf
    assert relative_error(np.array([-np.inf, 3.0]), np.array([-np.inf, 4.0])) == 0.25


def test_truth_values_and_complex_numbers():
    assert relative_error(np.array([True, False]), np.array([True, True])) == 1
    assert relative_error(np.array([3j, 1]), np.array([4j, 1])) == 0.25
    assert relative_error(np.array([2, 3]), np.array([2, 3])) == 0
