"""Where a resized grid lies."""

from typing import Any

from .case import Case
from .functions import called, with_replaced

# With the align_corners that goes with each.
_MODES = (
    ("nearest", None), ("nearest-exact", None), ("area", None), ("linear", False), ("bilinear", False),
    ("trilinear", False), ("bicubic", False),
)  # fmt: skip


def align_corners(case: Case) -> str | None:
    """Whether Flax resizes with the other ``align_corners``."""
    for value in (True, False) if called(case, ("interpolate",)) else ():
        if case.explains(with_replaced(case.changed(), "interpolate", _aligned(value))):
            return f"align_corners: Flax resizes with align_corners={value}, PyTorch with {not value}"
    return None


def resize_mode(case: Case) -> str | None:
    """Whether Flax resizes with another interpolation."""
    for mode, aligned in _MODES if called(case, ("interpolate",)) else ():
        if case.explains(with_replaced(case.changed(), "interpolate", _mode(mode, aligned))):
            return f"resize mode: Flax resizes by mode={mode!r}, PyTorch by another"
    return None


def _aligned(value: bool) -> Any:
    def run(original: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*args[:4], **{**kwargs, "align_corners": value})

    return run


def _mode(mode: str, aligned: bool | None) -> Any:
    def run(original: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*args[:3], **{**kwargs, "mode": mode, "align_corners": aligned})

    return run
