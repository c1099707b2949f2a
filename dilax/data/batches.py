"""Endless batches, each a function of the seed and its position alone, whatever reads them."""

import logging
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import grain
import numpy as np
from absl import flags
from jaxtyping import Float32, Int32

from ..errors import ArgumentError, BadSample
from .bad_samples import BadSamples, Failure
from .examples import Example, Examples

#: ``image``, float32 (N, *spatial, C), and ``labels``, int32 (N, *spatial).
Batch = dict[str, np.ndarray]

#: Makes the image and the labels of one sample from an example and its own random numbers.
Prepare = Callable[
    [Example, np.random.Generator], tuple[Float32[np.ndarray, "*spatial c"], Int32[np.ndarray, "*spatial"]]
]

_READ = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
# How often the processes that prepare batches may end before one is ready, and how grain says that they did.
_ATTEMPTS = 3
_ENDED = "Worker process was terminated unexpectedly with "

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stream:
    """Random access to the batches from a position on; a data source of grain.

    Args:
        examples: What samples are made from.
        repeats: Samples of each example in an epoch.
        prepare: Makes a sample.
        seed: Decides the order and all random changes.
        batch_size: Samples of a batch over all processes.
        skip: Whether another sample takes the place of a bad one.
        process_index: Which share of each batch this process has.
        process_count: How many equal shares there are.
        start: Position of the first sample of batch 0.
    """

    examples: Examples
    repeats: int
    prepare: Prepare
    seed: int
    batch_size: int
    skip: bool
    process_index: int
    process_count: int
    start: int = 0

    def __len__(self) -> int:
        return sys.maxsize // self.batch_size - self.start

    def __getitem__(self, index: int) -> tuple[Batch | None, tuple[Failure, ...]]:
        """This process's share of a batch, None if it cannot be filled, and what was bad."""
        order = self._order()
        share = self.batch_size // self.process_count
        first = self.start + index * self.batch_size + self.process_index * share
        failures: list[Failure] = []
        samples = []
        for position in range(first, first + share):
            sample = self._sample(position, order[position] // self.repeats, failures)
            if sample is None:
                return None, tuple(failures)
            samples.append(sample)
        image, labels = (np.stack(arrays) for arrays in zip(*samples, strict=True))
        return {"image": image, "labels": labels}, tuple(failures)

    def _order(self) -> Any:
        """Maps a position to an index, shuffled anew in each epoch."""
        indices = grain.MapDataset.range(len(self.examples) * self.repeats)
        return indices.seed(self.seed).shuffle().repeat(None)

    def _sample(self, position: int, index: int, failures: list[Failure]) -> Any:
        """The sample at a position; if it is bad, one that the position alone chooses instead."""
        for attempt in range(len(self.examples) + 1):
            try:
                return self.prepare(self.examples.read(index), np.random.default_rng([self.seed, position]))
            except BadSample as error:
                failures.append(Failure(self.examples.name(index), error.path, error.rule))
                if not self.skip:
                    return None
            if attempt == 0:
                index = int(np.random.default_rng([self.seed, position, 1]).integers(len(self.examples)))
            else:
                index = (index + 1) % len(self.examples)
        return None


class Batches(grain.IterDataset):  # type: ignore[misc]  # grain has no types
    """Endless batches, ready before they are asked for.

    The state of the iterator is the position of the next sample among all samples of all processes. It is the same in
    every process, and may be taken up by any number of them, and with another batch size.

    Args:
        stream: The batches by index.
        bad_samples: What to do with those that cannot be used.
        workers: Processes that prepare batches; 0 for threads of this one.
    """

    def __init__(self, stream: Stream, bad_samples: BadSamples, *, workers: int = 0) -> None:
        super().__init__()
        self._stream, self._bad_samples, self._workers = stream, bad_samples, workers

    def __iter__(self) -> grain.DatasetIterator:
        return BatchIterator(self._stream, self._bad_samples, workers=self._workers)


class BatchIterator(grain.DatasetIterator):  # type: ignore[misc]  # grain has no types
    """The iterator of :class:`Batches`, which has the same arguments."""

    def __init__(self, stream: Stream, bad_samples: BadSamples, *, workers: int) -> None:
        super().__init__()
        self._stream, self._bad_samples, self._workers = stream, bad_samples, workers
        self._position = 0
        self._ahead: Any = None

    def __next__(self) -> Batch:
        """The next batch.

        Raises:
            BadSample: One of its samples cannot be used.
            FileError: Too many samples were skipped.
            ArgumentError: The processes that prepare batches end again and again.
        """
        self._assert_not_closed()
        batch, failures = self._next()
        self._bad_samples.handle(failures)
        if batch is None:
            raise BadSample(failures[-1].path, f"{failures[-1].rule}, and no other sample is left to take its place")
        self._position += self._stream.batch_size
        return dict(batch)

    def get_state(self) -> dict[str, Any]:
        """The position of the next sample."""
        return {"position": self._position}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from another position.

        Raises:
            ArgumentError: The state is none of this iterator's.
        """
        position = state.get("position")
        if not isinstance(position, int) or position < 0 or len(state) != 1:
            raise ArgumentError(
                "set_state", "state", dict(state), "is no position in the order of samples",
                "pass what get_state returned",
            )  # fmt: skip
        self._let_go()
        self._position = position

    def start_prefetch(self) -> None:
        """Begin to prepare batches before the first is asked for."""
        if self._ahead is None:
            self._ahead = self._open()
        self._ahead.start_prefetch()

    def close(self) -> None:
        """Stop what prepares batches."""
        self._let_go()
        super().close()

    def _next(self, *, attempts: int = _ATTEMPTS) -> Any:
        """The next batch, and what was bad; if the processes that prepare it are gone, others begin where they were.

        A signal that stops a run often goes to them too, and a process of several has to end the step that all began.
        """
        if self._ahead is None:
            self._ahead = self._open()
        try:
            return next(self._ahead)
        except RuntimeError as error:
            if not str(error).startswith(_ENDED):
                raise
            self._let_go()
            how = str(error).removeprefix(_ENDED).partition(".")[0]
            if attempts == 1:
                raise ArgumentError(
                    "training", "workers", self._workers, f"gave processes that ended {_ATTEMPTS} times ({how})",
                    "see whether they have memory enough, or pass 0",
                ) from error  # fmt: skip
            _log.warning("a process that prepares batches ended (%s); others take its place", how)
        return self._next(attempts=attempts - 1)

    def _open(self) -> Any:
        batches = grain.MapDataset.source(replace(self._stream, start=self._position)).to_iter_dataset(_READ)
        if self._workers:
            if not flags.FLAGS.is_parsed():  # grain asks absl, whose command line dilax does not have
                flags.FLAGS.mark_as_parsed()
            options = grain.MultiprocessingOptions(num_workers=self._workers, per_worker_buffer_size=2)
            batches = batches.mp_prefetch(options, _leave_interrupts_to_the_run)
        return iter(batches)

    def _let_go(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None


def _leave_interrupts_to_the_run(_index: int, _count: int) -> None:
    """A terminal sends SIGINT to all processes; the run that gets it too closes those that prepare batches."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
