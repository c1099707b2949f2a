import numpy as np
import pytest

from dilax.data import scale_quantiles
from dilax.errors import ArgumentError


def test_two_quantiles_become_zero_and_one_and_the_rest_is_linear() -> None:
    volume = np.random.default_rng(0).gamma(2.0, 300.0, (7, 11, 5)).astype(np.float64)
    scaled = scale_quantiles(volume, low=0.1, high=0.7)
    ordered = np.sort(volume.astype(np.float32), axis=None)
    # Linear interpolation between order statistics, written out.
    bottom, top = (_quantile(ordered, share) for share in (0.1, 0.7))
    expected = np.minimum(np.maximum((volume - bottom) / (top - bottom), 0), 1)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, atol=1e-6)
    assert scaled.min() == 0
    assert scaled.max() == 1


def test_integers_are_scaled_as_numbers() -> None:
    volume = np.arange(200, dtype=np.int16).reshape(8, 5, 5)
    np.testing.assert_array_equal(scale_quantiles(volume), scale_quantiles(volume.astype(np.float32)))


@pytest.mark.parametrize(
    ("volume", "arguments", "message"),
    [
        (
            np.zeros((3, 4, 5), np.float32), {},
            "scale_quantiles: volume=(3, 4, 5) has the same value, 0, "
            "at its 0.02 and 0.98 quantiles; "
            "pass a volume with contrast, or quantiles further apart.",
        ),
        (
            np.array([1.0, np.nan]), {},
            "scale_quantiles: volume=(2,) is empty or holds NaN or infinity; "
            "pass a volume of finite values.",
        ),
        (
            np.arange(4.0), {"low": 0.9, "high": 0.1},
            "scale_quantiles: (low, high)=(0.9, 0.1) is no pair of rising shares; "
            "pass 0 <= low < high <= 1, e.g. 0.02 and 0.98.",
        ),
    ],
)  # fmt: skip
def test_errors(volume: np.ndarray, arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        scale_quantiles(volume, **arguments)
    assert str(caught.value) == message


def _quantile(ordered: np.ndarray, share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    return float(ordered[below] + (place - below) * (ordered[below + 1] - ordered[below]))
