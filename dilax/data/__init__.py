"""Data: sources, how they are scaled, and batches in an order that can be resumed."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .augmentation import Augmentation as Augmentation
    from .augmentation import Normalization as Normalization
    from .bad_samples import BadSamples as BadSamples
    from .batches import Batches as Batches
    from .class_weights import weigh_classes as weigh_classes
    from .evaluation import Evaluation as Evaluation
    from .examples import Example as Example
    from .examples import Examples as Examples
    from .mni152 import CLASS_NAMES as CLASS_NAMES
    from .mni152 import HELD_OUT as HELD_OUT
    from .mni152 import load_mni152 as load_mni152
    from .preprocessing import scale_quantiles as scale_quantiles
    from .scans import Scan as Scan
    from .scans import read_scan as read_scan
    from .scans import write_labels as write_labels
    from .shapes import make_shapes as make_shapes
    from .source import Source as Source
    from .sources import SOURCES as SOURCES
    from .sources import load_source as load_source
    from .sources import source_options as source_options
    from .volumes import Slab as Slab
    from .volumes import Volume as Volume

_HOMES = {
    "Augmentation": "augmentation",
    "BadSamples": "bad_samples",
    "Batches": "batches",
    "CLASS_NAMES": "mni152",
    "Evaluation": "evaluation",
    "Example": "examples",
    "Examples": "examples",
    "HELD_OUT": "mni152",
    "Normalization": "augmentation",
    "SOURCES": "sources",
    "Scan": "scans",
    "Slab": "volumes",
    "Source": "source",
    "Volume": "volumes",
    "load_mni152": "mni152",
    "load_source": "sources",
    "make_shapes": "shapes",
    "read_scan": "scans",
    "scale_quantiles": "preprocessing",
    "source_options": "sources",
    "weigh_classes": "class_weights",
    "write_labels": "scans",
}


def __getattr__(name: str) -> Any:
    # Names load on first use: the command line must not wait for grain.
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
