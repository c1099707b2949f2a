"""Sources that need no file: the MNI152 brain, and made-up shapes in volumes and in pictures."""

from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError
from . import mni152, shapes, shapes_2d
from .augmentation import Normalization
from .bad_samples import BadSamples
from .examples import Example, InMemory
from .source import Source
from .volumes import Slab, Volume

#: The label of voxels that are not scored, and of pixels outside a picture.
IGNORE_INDEX = 255


@dataclass(frozen=True)
class Mni152Options:
    """Options of the MNI152 brain.

    Args:
        samples: Training samples in an epoch; half of them lie before the planes that are kept for evaluation, and
            half behind.
    """

    samples: int = 160

    def __post_init__(self) -> None:
        _check_positive("mni152", "samples", self.samples)


@dataclass(frozen=True)
class ShapesOptions:
    """Options of the made-up volume.

    Args:
        samples: Training samples in an epoch.
        seed: Decides places, sizes and noise of the shapes.
    """

    samples: int = 160
    seed: int = 0

    def __post_init__(self) -> None:
        _check_positive("shapes", "samples", self.samples)


@dataclass(frozen=True)
class Shapes2dOptions:
    """Options of the made-up pictures.

    Args:
        training: Pictures to learn from.
        evaluation: Pictures kept for evaluation.
        seed: Decides places, sizes and noise of the shapes.
    """

    training: int = 256
    evaluation: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        _check_positive("shapes_2d", "training", self.training)
        _check_positive("shapes_2d", "evaluation", self.evaluation)


def load_mni152_source(options: Mni152Options, bad_samples: BadSamples) -> Source:
    """The MNI152 brain, with coronal planes kept for evaluation.

    Raises:
        MissingDependency: nilearn is not installed.
    """
    return slab_source("mni152", mni152.load_mni152(), mni152.HELD_OUT, samples=options.samples, bad=bad_samples)


def load_shapes_source(options: ShapesOptions, bad_samples: BadSamples) -> Source:
    """Balls and boxes in a volume, with planes kept for evaluation."""
    volume = shapes.make_shapes(seed=options.seed)
    return slab_source("shapes", volume, shapes.HELD_OUT, samples=options.samples, bad=bad_samples)


def load_shapes_2d_source(options: Shapes2dOptions, bad_samples: BadSamples) -> Source:
    """Discs, squares and crosses in pictures of two sizes."""
    return Source(
        "shapes_2d",
        class_names=shapes_2d.CLASS_NAMES,
        in_channels=3,
        spatial_rank=2,
        ignore_index=IGNORE_INDEX,
        training_examples=shapes_2d.ShapePictures(options.training, options.seed),
        evaluation_examples=shapes_2d.ShapePictures(options.evaluation, options.seed, first=options.training),
        normalization=Normalization((0.5,) * 3, (0.25,) * 3),
        bad_samples=bad_samples,
    )


def slab_source(name: str, volume: Volume, held_out: Slab, *, samples: int, bad: BadSamples) -> Source:
    """One volume, of which a slab is scored and what lies on either side of it is learned from.

    Args:
        name: What the source is called.
        volume: The volume.
        held_out: What is scored; training does not see it.
        samples: Training samples in an epoch, an even number or the next one.
        bad: What happens to bad samples.
    """
    image = volume.image[..., None]
    labels = np.full(volume.labels.shape, IGNORE_INDEX, np.int32)
    labels[held_out.index] = volume.labels[held_out.index]
    parts = [Example(image[side], volume.labels[side], f"{name} {text}") for side, text in held_out.sides]
    sides = [part for part in parts if part.labels.size]
    return Source(
        name,
        class_names=volume.class_names,
        in_channels=1,
        spatial_rank=3,
        ignore_index=IGNORE_INDEX,
        training_examples=InMemory(sides),
        evaluation_examples=InMemory([Example(image, labels, name, held_out.index)]),
        normalization=Normalization((0.0,), (1.0,)),
        repeats=-(-samples // len(sides)),
        # Where one side is the smaller, its samples reach outside it by the difference.
        largest_crop=tuple(max(lengths) for lengths in zip(*(side.labels.shape for side in sides), strict=True)),
        bad_samples=bad,
    )


def _check_positive(source: str, option: str, value: int) -> None:
    if value < 1:
        raise ArgumentError("load_source", f"{source}.{option}", value, "is not positive", "pass e.g. 160")
