"""What a file held: the plain values as they were, the tensors not yet read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, eq=False)
class Checkpoint(Mapping[Any, Any]):
    """A read-only mapping: what was saved, if that was a dictionary or a module, else empty.

    Attributes:
        path: The file.
        format: ``"torch"``, ``"torch legacy"``, ``"torch tar"``, ``"pickle"``, ``"safetensors"`` or ``"sharded"``.
        root: What was saved, whatever it was.
        notes: Sentences about what was recovered or left out.
        metadata: Texts beside the tensors of a safetensors file.
    """

    path: Path
    format: str
    root: Any = field(repr=False)
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: Any) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def _items(self) -> Mapping[Any, Any]:
        return self.root if isinstance(self.root, Mapping) else {}
