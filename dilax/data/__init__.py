"""Data: sources, how they are scaled, and batches in an order that can be resumed."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .mni152 import CLASS_NAMES as CLASS_NAMES
    from .mni152 import HELD_OUT as HELD_OUT
    from .mni152 import load_mni152 as load_mni152
    from .patches import patch_dataset as patch_dataset
    from .preprocessing import scale_quantiles as scale_quantiles
    from .scans import Scan as Scan
    from .scans import read_scan as read_scan
    from .scans import write_labels as write_labels
    from .shapes import make_shapes as make_shapes
    from .sources import SOURCES as SOURCES
    from .sources import Source as Source
    from .sources import load_source as load_source
    from .volumes import Slab as Slab
    from .volumes import Volume as Volume

_HOMES = {
    "CLASS_NAMES": "mni152",
    "HELD_OUT": "mni152",
    "SOURCES": "sources",
    "Scan": "scans",
    "Slab": "volumes",
    "Source": "sources",
    "Volume": "volumes",
    "load_mni152": "mni152",
    "load_source": "sources",
    "make_shapes": "shapes",
    "patch_dataset": "patches",
    "read_scan": "scans",
    "scale_quantiles": "preprocessing",
    "write_labels": "scans",
}


def __getattr__(name: str) -> Any:
    # Names load on first use: the command line must not wait for grain.
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
