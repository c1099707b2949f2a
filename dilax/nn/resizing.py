"""Resizing as a layer."""

from collections.abc import Sequence

import jax
from flax import nnx

from .. import ops
from ..ops.resize import check_mode, check_target


class Upsample(nnx.Module):
    """Resizes the spatial axes, as ``torch.nn.Upsample``.

    Args:
        size: As for :func:`dilax.ops.interpolate`, as all that follow.
        scale_factor: As there.
        mode: As there.
        align_corners: As there.
        recompute_scale_factor: As there.

    Raises:
        ArgumentError: Both or none of ``size`` and ``scale_factor`` are given, or the mode does not go with the rest.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        *,
        scale_factor: float | Sequence[float] | None = None,
        mode: ops.ResizeMode = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        check_mode("Upsample", mode, align_corners)
        check_target("Upsample", mode, size, scale_factor, recompute_scale_factor)
        self.size = tuple(size) if isinstance(size, Sequence) else size
        self.scale_factor = tuple(scale_factor) if isinstance(scale_factor, Sequence) else scale_factor
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to ``(N, *resized, C)``."""
        return ops.interpolate(
            x,
            self.size,
            scale_factor=self.scale_factor,
            mode=self.mode,
            align_corners=self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )
