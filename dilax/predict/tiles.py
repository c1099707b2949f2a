"""Which parts of a volume to run, and which part of each result to keep."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Tile(NamedTuple):
    """A part of a volume.

    Attributes:
        outer: What to run, one slice for each axis.
        inner: What to keep of it, in the same coordinates.
    """

    outer: tuple[slice, ...]
    inner: tuple[slice, ...]

    @property
    def kept(self) -> tuple[slice, ...]:
        """``inner`` as an index of the result for ``outer``."""
        pairs = zip(self.inner, self.outer, strict=True)
        return tuple(slice(i.start - o.start, i.stop - o.start) for i, o in pairs)


def tiles(
    shape: Sequence[int], *, size: Sequence[int], margin: int, where: Sequence[slice] | None = None
) -> Iterator[Tile]:
    """Tiles of one size whose kept parts cover ``where`` once.

    What is kept lies ``margin`` or more from an end of its tile, unless the volume itself ends there. So where the
    margin is the model's radius, the tiles give what the whole volume gives.

    Args:
        shape: Samples of the volume along each axis.
        size: Samples of a tile along each axis; 0, or more than there are, for all.
        margin: Samples at each end that are run and not kept.
        where: What is wanted; the whole volume if None. Size above twice the margin, or all.

    Yields:
        The tiles, in the order of the volume.
    """
    wanted = [slice(None)] * len(shape) if where is None else where
    axes = [
        _along(length, *part.indices(length)[:2], size=edge, margin=margin)
        for length, edge, part in zip(shape, size, wanted, strict=True)
    ]
    for parts in itertools.product(*axes):
        yield Tile(tuple(outer for outer, _ in parts), tuple(inner for _, inner in parts))


def _along(length: int, start: int, stop: int, *, size: int, margin: int) -> list[tuple[slice, slice]]:
    if not 0 < size < length:
        return [(slice(0, length), slice(start, stop))]
    parts = []
    while start < stop:
        first = min(max(start - margin, 0), length - size)
        reaches_end = first + size == length
        last = min(stop, first + size if reaches_end else first + size - margin)
        parts.append((slice(first, first + size), slice(start, last)))
        start = last
    return parts
