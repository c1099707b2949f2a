"""Resizing of the spatial axes, by every rule of PyTorch's."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ..errors import ArgumentError
from . import resize_weights as weights
from .arguments import flag, is_integer, is_number, one_of, per_axis
from .pool import adaptive_avg_pool, check_floating, spatial_axes
from .sampling import Taps, sample

ResizeMode = Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"]

#: Modes, and how many spatial axes they are for; None: any.
_AXES: dict[str, int | None] = {
    "nearest": None,
    "nearest-exact": None,
    "linear": 1,
    "bilinear": 2,
    "trilinear": 3,
    "bicubic": 2,
    "area": None,
}
_WITHOUT_CORNERS = ("nearest", "nearest-exact", "area")
_ANTIALIASED = {"bilinear": "linear", "bicubic": "cubic"}


def interpolate(
    x: jax.Array,
    size: int | Sequence[int] | None = None,
    *,
    scale_factor: float | Sequence[float] | None = None,
    mode: ResizeMode = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> jax.Array:
    """Resize the spatial axes, as ``torch.nn.functional.interpolate``.

    Args:
        x: ``(N, *spatial, C)`` with 1 to 3 spatial axes; floating, except for the two nearest modes.
        size: Length of each spatial axis of the result; an integer or one for each. This or ``scale_factor``.
        scale_factor: How many times longer each axis becomes, rounded down; a number or one for each.
        mode: ``"nearest"`` (from the left edge of each output sample), ``"nearest-exact"`` (from its middle),
            ``"linear"``, ``"bilinear"``, ``"trilinear"`` (1, 2, 3 axes), ``"bicubic"`` (2), ``"area"``
            (:func:`adaptive_avg_pool`).
        align_corners: For the linear and cubic modes: whether the end samples' middles, not their outer edges, stay
            where they are; None means no.
        recompute_scale_factor: Whether the places follow from the rounded length, not from ``scale_factor`` itself.
        antialias: For ``"bilinear"`` and ``"bicubic"``: whether to average over all that an output sample stands for.

    Returns:
        ``(N, *resized, C)``, of the dtype of ``x``.

    Raises:
        ArgumentError: Arguments do not belong together, or an axis is or would be empty.

    Differs from PyTorch: channels are last; there is no ``"lanczos"``. Differs from ``jax.image.resize``, which
    antialiases by default, has another cubic kernel, and does not know ``align_corners``.

    >>> interpolate(jnp.asarray([0.0, 1.0])[None, :, None], 4, mode="linear")[0, :, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    axes = spatial_axes("interpolate", x)
    check_mode("interpolate", mode, align_corners)
    if _AXES[mode] not in (None, axes):
        raise ArgumentError(
            "interpolate", "mode", mode, f"is for {_AXES[mode]} spatial axes, and x {x.shape} has {axes}",
            'pass "linear" for 1, "bilinear" or "bicubic" for 2, "trilinear" for 3',
        )  # fmt: skip
    if antialias and mode not in _ANTIALIASED:
        raise ArgumentError(
            "interpolate", "antialias", antialias, f"is not known for mode {mode!r}", 'pass "bilinear" or "bicubic"'
        )  # fmt: skip
    check_target("interpolate", mode, size, scale_factor, recompute_scale_factor)
    lengths, scales = _lengths(x, mode, size, scale_factor, bool(recompute_scale_factor) or mode == "area")
    if mode == "area":
        return adaptive_avg_pool(x, lengths)
    if mode not in _WITHOUT_CORNERS:
        check_floating("interpolate", x)
    spatial = x.shape[1:-1]
    if mode == "bicubic" and not antialias and lengths == spatial:
        return x  # PyTorch's shortcut, which a scale that rounds away does not change
    rule = _nearest_rule(x.dtype, lengths)
    plans = [
        _plan(before, after, scale, mode, bool(align_corners), antialias, rule)
        for before, after, scale in zip(spatial, lengths, scales, strict=True)
    ]
    return _resample(x, plans)


def check_mode(function: str, mode: str, align_corners: bool | None) -> None:
    """Raise an error if the mode is unknown or has no corners to align.

    Args:
        function: Who asks, for the message.
        mode: As for :func:`interpolate`.
        align_corners: As there.
    """
    one_of(function, "mode", mode, _AXES)
    if align_corners is not None:
        flag(function, align_corners=align_corners)
    if mode in _WITHOUT_CORNERS and align_corners is not None:
        raise ArgumentError(
            function, "align_corners", align_corners, f"has no meaning for mode {mode!r}",
            "leave it out, or pass a linear or cubic mode",
        )  # fmt: skip


def check_target(function: str, mode: str, size: Any, scale_factor: Any, recompute_scale_factor: bool | None) -> None:
    """Raise an error unless one of ``size`` and ``scale_factor`` is given, and could be that of some input.

    Args:
        function: Who asks, for the message.
        mode: As for :func:`interpolate`.
        size: As there.
        scale_factor: As there.
        recompute_scale_factor: As there.
    """
    if (size is None) == (scale_factor is None):
        rule = "leaves the result's size open" if size is None else f"and scale_factor={scale_factor!r} are both given"
        raise ArgumentError(function, "size", size, rule, "pass either size or scale_factor")
    if recompute_scale_factor and size is not None:
        raise ArgumentError(
            function, "recompute_scale_factor", recompute_scale_factor, "has no meaning with a size",
            "leave it out, or pass scale_factor",
        )  # fmt: skip
    name, value = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    several = isinstance(value, Sequence) and not isinstance(value, str)
    if several and (not 1 <= len(value) <= 3 or _AXES[mode] not in (None, len(value))):
        raise ArgumentError(
            function, name, value, f"has not one entry for each of {_AXES[mode] or '1, 2 or 3'} spatial axes",
            "pass one for each, or a single one for all",
        )  # fmt: skip
    least = 0 if mode == "area" else 1
    for entry in value if several else (value,):
        if name == "size" and not (is_integer(entry) and entry >= least):
            raise ArgumentError(function, name, value, f"contains {entry!r}", f"pass integers of at least {least}")
        if name == "scale_factor" and not (is_number(entry) and 0 < entry < math.inf):
            raise ArgumentError(function, name, value, f"contains {entry!r}", "pass finite numbers above 0")


def _lengths(
    x: jax.Array, mode: str, size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    axes = x.ndim - 2
    scales: tuple[float | None, ...] = (None,) * axes
    if size is not None:
        lengths = per_axis("interpolate", "size", size, axes=axes, least=0)
    else:
        factors = scale_factor if isinstance(scale_factor, Sequence) else (scale_factor,) * axes
        if len(factors) != axes:
            raise ArgumentError(
                "interpolate", "scale_factor", scale_factor, f"is not a number or one for each of {axes} axes",
                f"pass a number or {axes} of them",
            )  # fmt: skip
        lengths = tuple(
            weights.scaled_length(length, factor) for length, factor in zip(x.shape[1:-1], factors, strict=True)
        )
        scales = scales if recompute else tuple(float(factor) for factor in factors)
    if min(lengths) < (0 if mode == "area" else 1) or min(x.shape[1:-1]) < 1:
        raise ArgumentError(
            "interpolate", "x", x.shape, f"cannot be resized to {lengths}", "let no spatial axis be empty"
        )
    return lengths, scales


def _plan(
    before: int, after: int, scale: float | None, mode: str, align_corners: bool, antialias: bool, rule: str
) -> Taps:
    if antialias:
        return weights.antialiased(before, after, scale, align_corners=align_corners, filter=_ANTIALIASED[mode])
    if mode in ("nearest", "nearest-exact"):
        return weights.nearest(before, after, scale, exact=mode == "nearest-exact", rule=rule)
    method = weights.cubic if mode == "bicubic" else weights.linear
    return method(before, after, scale, align_corners=align_corners)


def _nearest_rule(dtype: Any, lengths: tuple[int, ...]) -> str:
    """Which of its kernels for nearest samples PyTorch takes on a CPU."""
    if len(lengths) == 2 and sum(lengths) <= 128:
        return "short"
    return "float64" if dtype == jnp.float64 else "float32"


def _resample(x: jax.Array, plans: Sequence[Taps]) -> jax.Array:
    weighted = any(taps.weight is not None for taps in plans)
    y = x.astype(jnp.promote_types(x.dtype, jnp.float32)) if weighted else x
    # The axis that shrinks most goes first, so that there is less to do along the others.
    for axis in sorted(range(len(plans)), key=lambda axis: plans[axis].outputs / plans[axis].size):
        y = sample(y, axis + 1, plans[axis])
    return y.astype(x.dtype)
