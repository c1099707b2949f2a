"""Inert values for what a checkpoint names besides arrays and plain Python."""

from dataclasses import dataclass, field
from typing import Any


class Size(tuple[int, ...]):
    """A ``torch.Size``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Size({list(self)})"


@dataclass(frozen=True)
class DType:
    """A ``torch.dtype``, by its name, e.g. ``DType("float32")``."""

    name: str

    def __str__(self) -> str:
        return f"torch.{self.name}"


@dataclass(frozen=True)
class Device:
    """A ``torch.device``."""

    type: str
    index: int | None = None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


@dataclass(frozen=True)
class Global:
    """The name of a class or function. It is a name and no more: nothing was imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class PickledObject:
    """An object of a class that was not imported: its name, and what was stored of it.

    Attributes:
        type: Name of the class.
        args: What its constructor was given.
        state: Its attributes, usually a dictionary.
        items: What a subclass of dict held.
        elements: What a subclass of list or set held.
    """

    type: Global
    args: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.type}, not imported>"
