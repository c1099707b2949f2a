"""How much a file may ask for."""

from dataclasses import dataclass, fields

from dilax.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what reading a file may cost; a file that exceeds one raises ``UnsafeCheckpoint``.

    The defaults are far above any real checkpoint, and bound the memory to about 1.5 GB beside the arrays. Arrays are
    read from the file itself, so they are never larger than it, but for those that show one part of it several times.

    Attributes:
        pickle_bytes: Bytes of one pickle, that is of everything but the arrays.
        objects: Values that a file's pickles may make, or its JSON; a container counts as eight.
        header_bytes: Bytes of a safetensors header or of an index file.
        entries: Files in one archive, or tensors under one header.
        text_bytes: Bytes of one string in a pickle.
        number_keys: Keys that are tuples of numbers, fractions, or whole numbers from 2**32: a file can choose them so
            that their hashes agree, and then n of them take n² steps.
        repeated_bytes: Bytes by which all tensors together may exceed the file, because they share memory or, as
            ``torch.Tensor.expand`` makes them, repeat it.
    """

    pickle_bytes: int = 256 * 2**20
    objects: int = 16_000_000
    header_bytes: int = 100_000_000
    entries: int = 1_000_000
    text_bytes: int = 64 * 2**20
    number_keys: int = 10_000
    repeated_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ArgumentError("Limits", field.name, value, "is not a positive integer", "pass e.g. 1_000_000")
