"""Labelled volumes by name, each with the part that is kept for evaluation."""

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ArgumentError, nearest
from . import mni152, shapes
from .volumes import Slab, Volume


@dataclass(frozen=True)
class Source:
    """What a run learns from.

    Args:
        volume: The labelled volume.
        held_out: What is kept for evaluation; no training patch touches it.
    """

    volume: Volume
    held_out: Slab


#: Name to how it is loaded.
SOURCES: dict[str, Callable[[], Source]] = {
    "mni152": lambda: Source(mni152.load_mni152(), mni152.HELD_OUT),
    "shapes": lambda: Source(shapes.make_shapes(), shapes.HELD_OUT),
}


def load_source(name: str) -> Source:
    """Load a source by its name.

    Raises:
        ArgumentError: There is no such source.
        MissingDependency: It comes with a package that is not installed.
    """
    if name not in SOURCES:
        raise ArgumentError(
            "load_source", "name", name, f"is no data source{nearest(name, SOURCES)}",
            f"pass one of {', '.join(sorted(SOURCES))}",
        )  # fmt: skip
    return SOURCES[name]()
