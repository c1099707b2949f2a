"""Whole examples, one after the other, each once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import grain

from ..errors import BadSample
from .augmentation import Normalization
from .bad_samples import BadSamples, Failure
from .examples import Example, Examples, as_unit

_READ = grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Whole examples with their names, at their own sizes; the next is read while one is used.

    Iterate over it as often as you like. Bad examples are left out where the policy says so.

    Args:
        examples: Where they come from.
        normalization: What makes the values of the images.
        bad_samples: What happens to those that cannot be used.
        indices: Which ones.
    """

    examples: Examples
    normalization: Normalization
    bad_samples: BadSamples
    indices: Sequence[int]

    def __len__(self) -> int:
        """How many there are, bad ones included."""
        return len(self.indices)

    def __iter__(self) -> Iterator[Example]:
        """Yield the examples, images in float32.

        Raises:
            BadSample: One cannot be used.
            FileError: Too many were skipped.
        """
        if not self.indices:
            return
        ahead = iter(grain.MapDataset.source(self.indices).map(self._read).to_iter_dataset(_READ))
        try:
            for found in ahead:
                if isinstance(found, Failure):
                    self.bad_samples.handle([found])
                else:
                    yield found
        finally:
            ahead.close()

    def _read(self, index: int) -> Example | Failure:
        try:
            example = self.examples.read(index)
        except BadSample as error:
            return Failure(self.examples.name(index), error.path, error.rule)
        return replace(example, image=self.normalization(as_unit(example.image)))
