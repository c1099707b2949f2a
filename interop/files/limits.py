"""How much a file may ask for."""

from dataclasses import dataclass, fields

from dilax.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what reading a file may cost; a file that exceeds one raises ``UnsafeCheckpoint``.

    The defaults are far above any real checkpoint. Arrays are not bounded: they are read from the file itself, so they
    are never larger than it.

    Attributes:
        pickle_bytes: Bytes of one pickle, that is of everything but the arrays.
        objects: Values that one pickle may make.
        header_bytes: Bytes of a safetensors header or of an index file.
        entries: Files in one archive, or tensors under one header.
        text_bytes: Bytes of one string or one whole number in a pickle.
    """

    pickle_bytes: int = 256 * 2**20
    objects: int = 5_000_000
    header_bytes: int = 100_000_000
    entries: int = 1_000_000
    text_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ArgumentError("Limits", field.name, value, "is not a positive integer", "pass e.g. 1_000_000")
