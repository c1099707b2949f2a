"""Intensities on one scale, whatever the scanner."""

import numpy as np
from jaxtyping import Float32, Shaped

from ..errors import ArgumentError


def scale_quantiles(
    volume: Shaped[np.ndarray, "..."], *, low: float = 0.02, high: float = 0.98
) -> Float32[np.ndarray, "..."]:
    """Scale intensities so that two quantiles become 0 and 1, and clip what lies outside.

    Args:
        volume: Any shape, any real dtype, all values finite.
        low: Share of the values that become 0.
        high: Share of the values at or below what becomes 1.

    Returns:
        The volume in [0, 1], of the same shape.

    Raises:
        ArgumentError: The shares are out of order, a value is not finite, or the two quantiles are
            equal.
    """
    if not 0 <= low < high <= 1:
        raise ArgumentError(
            "scale_quantiles", "(low, high)", (low, high), "is no pair of rising shares",
            "pass 0 <= low < high <= 1, e.g. 0.02 and 0.98",
        )  # fmt: skip
    values = np.asarray(volume, np.float32)
    if values.size == 0 or not np.isfinite(values).all():
        raise ArgumentError(
            "scale_quantiles", "volume", values.shape, "is empty or holds NaN or infinity",
            "pass a volume of finite values",
        )  # fmt: skip
    bottom, top = np.quantile(values, [low, high]).astype(np.float32)
    if bottom == top:
        raise ArgumentError(
            "scale_quantiles", "volume", values.shape,
            f"has the same value, {bottom:g}, at its {low:g} and {high:g} quantiles",
            "pass a volume with contrast, or quantiles further apart",
        )  # fmt: skip
    scaled: np.ndarray = np.clip((values - bottom) / (top - bottom), 0, 1)
    return scaled
