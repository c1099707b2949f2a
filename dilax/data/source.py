"""What a run learns from: batches for training, whole examples for evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Float32

from ..errors import ArgumentError
from .augmentation import Augmentation, Normalization, augment
from .bad_samples import BadSamples
from .batches import Batches, Stream
from .class_weights import count_labels, weigh_classes
from .evaluation import Evaluation
from .examples import Examples


@dataclass(frozen=True, eq=False)
class Source:
    """A labelled data set, in a part for training and a part for evaluation.

    Args:
        name: What it is called.
        class_names: One name a class.
        in_channels: Channels of an image.
        spatial_rank: 2 for images, 3 for volumes.
        ignore_index: The label of what is not scored and not learned from.
        training_examples: What training learns from.
        evaluation_examples: What is kept for evaluation.
        normalization: Mean and standard deviation of each channel.
        repeats: Training samples of each example in an epoch.
        largest_crop: Longest crop along each axis; None where larger ones may reach outside the examples.
        bad_samples: What happens to examples that cannot be used.
    """

    name: str
    class_names: tuple[str, ...]
    in_channels: int
    spatial_rank: int
    ignore_index: int
    training_examples: Examples
    evaluation_examples: Examples
    normalization: Normalization
    repeats: int = 1
    largest_crop: tuple[int, ...] | None = None
    bad_samples: BadSamples = field(default_factory=lambda: BadSamples("raise", 0))

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def skipped(self) -> Mapping[str, str]:
        """The bad samples that were met and left out, and why."""
        return self.bad_samples.skipped

    def batches_per_epoch(self, batch_size: int) -> int:
        """Batches from which every example has been learned from once, or ``repeats`` times."""
        return -(-len(self.training_examples) * self.repeats // batch_size)

    def training(
        self,
        *,
        batch_size: int,
        seed: int,
        crop: int | Sequence[int],
        augmentation: Augmentation | None = None,
        process_index: int = 0,
        process_count: int = 1,
        workers: int = 0,
    ) -> Batches:
        """Endless batches of random crops.

        Sample number p is a function of the seed and p alone, and a batch is ``batch_size`` samples in a row, of which
        each process has an equal share. The state of the iterator is p.

        Args:
            batch_size: Samples of a batch over all processes.
            seed: Decides the order, the places and the random changes.
            crop: Pixels or voxels of a sample along each axis, or along all.
            augmentation: Random changes; those of ``Augmentation()`` if None.
            process_index: Which share of each batch to give.
            process_count: How many equal shares there are.
            workers: Processes that prepare batches; 0 for threads of this one.

        Returns:
            A ``grain.IterDataset`` of dictionaries: ``image``, float32 (N, *spatial, C), and ``labels``, int32
            (N, *spatial).

        Raises:
            ArgumentError: An argument is out of range.
        """
        _check_shares("training", process_index, process_count)
        if batch_size < 1 or batch_size % process_count:
            raise ArgumentError(
                "training", "batch_size", batch_size, f"is no positive multiple of {process_count} processes",
                f"pass e.g. {process_count * max(1, round(batch_size / process_count))}",
            )  # fmt: skip
        if not 0 <= seed < 2**32:
            raise ArgumentError("training", "seed", seed, "is outside 0 to 2**32 - 1", "pass e.g. 0")
        if workers < 0:
            raise ArgumentError("training", "workers", workers, "is negative", "pass 0 or more")
        chosen = Augmentation() if augmentation is None else augmentation
        if chosen.needs_color and self.in_channels != 3:
            raise ArgumentError(
                "training", "augmentation", chosen, f"changes colours, and {self.name} has {self.in_channels} channel",
                "leave saturation and hue at 0",
            )  # fmt: skip
        prepare = partial(
            augment, crop=self._checked_crop(crop), augmentation=chosen, normalization=self.normalization,
            ignore_index=self.ignore_index,
        )  # fmt: skip
        stream = Stream(
            self.training_examples, self.repeats, prepare, seed, batch_size,
            skip=self.bad_samples.policy == "skip", process_index=process_index, process_count=process_count,
        )  # fmt: skip
        return Batches(stream, self.bad_samples, workers=workers)

    def evaluation(self, *, process_index: int = 0, process_count: int = 1) -> Evaluation:
        """The examples that are kept for evaluation, whole and normalised, each in one process only.

        Args:
            process_index: Which share to give.
            process_count: How many shares there are; they may differ in length by one.

        Raises:
            ArgumentError: There is no such share.
        """
        _check_shares("evaluation", process_index, process_count)
        return Evaluation(
            self.evaluation_examples, self.normalization, self.bad_samples,
            indices=range(process_index, len(self.evaluation_examples), process_count),
        )  # fmt: skip

    def class_weights(self, method: str = "median") -> Float32[np.ndarray, " classes"]:
        """Weights that make up for classes of few pixels, counted in all training labels.

        Args:
            method: ``"inverse"`` or ``"median"``, as :func:`dilax.data.weigh_classes` explains.

        Raises:
            ArgumentError: The method is unknown or no label is left.
            BadSample: Labels cannot be read.
        """
        counts, present = count_labels(self.training_examples, self.num_classes, self.bad_samples)
        return weigh_classes(counts, present, method=method)

    def _checked_crop(self, crop: int | Sequence[int]) -> tuple[int, ...]:
        edges = (crop,) * self.spatial_rank if isinstance(crop, int) else tuple(crop)
        if len(edges) != self.spatial_rank or any(edge < 1 for edge in edges):
            raise ArgumentError(
                "training", "crop", crop, f"is no length for each of the {self.spatial_rank} axes of {self.name}",
                f"pass e.g. {(32,) * self.spatial_rank}",
            )  # fmt: skip
        limits = self.largest_crop
        if limits is not None and any(edge > limit for edge, limit in zip(edges, limits, strict=True)):
            raise ArgumentError(
                "training", "crop", crop, f"does not fit into the training part of {self.name}",
                f"pass at most {limits}",
            )  # fmt: skip
        return edges


def _check_shares(function: str, process_index: int, process_count: int) -> None:
    if process_count < 1 or not 0 <= process_index < process_count:
        raise ArgumentError(
            function, "process_index", process_index, f"is none of {process_count} processes",
            "pass 0 to process_count - 1",
        )  # fmt: skip
