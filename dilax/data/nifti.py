"""A folder of scans and label volumes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from ..errors import ArgumentError, BadSample, FileError
from .augmentation import Normalization
from .bad_samples import BadSamples
from .examples import Example, Examples
from .folder import check_classes, checked_folder
from .masks import checked_labels
from .pairs import Pair, check_sizes, find_pairs
from .prepared import PreparedVolumes
from .preprocessing import scale_quantiles
from .scans import Scan, read_scan
from .source import Source
from .splits import split_by_list, split_by_name

# Scans are stored in float32, whose rounding moves corners by far less; a voxel is about a millimetre.
_MILLIMETRES = 0.01


@dataclass(frozen=True)
class NiftiOptions:
    """Options of a folder of scans.

    Args:
        path: The folder.
        class_names: One name a class.
        images: Pattern of the scans in it.
        labels: Pattern of the label volumes. What the wildcards of the two patterns stand for pairs the files.
        ignore_index: The number of voxels without a class.
        held_out: Share that is kept for evaluation, chosen by name.
        evaluation_list: A text file in the folder with the names to evaluate, one a line, instead of a share.
        samples_per_volume: Training samples of each volume in an epoch.
        prepared: A folder, made if need be, that keeps the volumes ready to be cut from; without one each crop reads a
            whole scan. It takes 8 bytes a voxel.

    Raises:
        ArgumentError: A value is out of range.
    """

    path: str = ""
    class_names: tuple[str, ...] = ()
    images: str = "images/*.nii*"
    labels: str = "labels/*.nii*"
    ignore_index: int = 255
    held_out: float = 0.2
    evaluation_list: str = ""
    samples_per_volume: int = 8
    prepared: str = ""

    def __post_init__(self) -> None:
        check_classes("nifti", self.class_names, self.ignore_index)
        if self.samples_per_volume < 1:
            raise ArgumentError(
                "nifti", "samples_per_volume", self.samples_per_volume, "is not positive", "pass e.g. 8"
            )


@dataclass(frozen=True)
class PairedVolumes:
    """Scans in files, each with a label volume, read when they are asked for.

    Args:
        pairs: Where they are.
        num_classes: Labels are 0 to one less.
        ignore_index: The label of voxels without a class.
    """

    pairs: tuple[Pair, ...]
    num_classes: int
    ignore_index: int

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """What a volume is called."""
        return self.pairs[index].name

    def read(self, index: int) -> Example:
        """Read a scan, scaled to [0, 1], and its labels.

        Raises:
            BadSample: One of them cannot be used, or they do not lie in the same place.
        """
        pair = self.pairs[index]
        scan, labels = _read(pair.image), _read(pair.labels)
        check_sizes(pair, scan.image.shape, labels.image.shape)
        if np.abs(scan.affine - labels.affine).max() > _MILLIMETRES:
            raise BadSample(pair.labels, "lies elsewhere than its image: their affines differ")
        try:
            image = scale_quantiles(scan.image)
        except ArgumentError as error:
            raise BadSample(pair.image, "has the same value almost everywhere") from error
        return Example(image[..., None], self._checked(pair, labels), pair.name)

    def read_labels(self, index: int) -> Int32[np.ndarray, "d h w"]:
        """Read a label volume.

        Raises:
            BadSample: It cannot be used.
        """
        pair = self.pairs[index]
        return self._checked(pair, _read(pair.labels))

    def _checked(self, pair: Pair, labels: Scan) -> np.ndarray:
        whole = np.rint(labels.image).astype(np.int64)
        if (whole != labels.image).any():
            raise BadSample(pair.labels, "holds fractions, and no classes")
        return checked_labels(pair.labels, whole, self.num_classes, self.ignore_index)


def load_nifti(options: NiftiOptions, bad_samples: BadSamples) -> Source:
    """Pair the scans and label volumes of a folder.

    Raises:
        FileError: The folder is missing or empty, or a file has no partner.
        ArgumentError: The share of the evaluation leaves one part empty.
    """
    folder = checked_folder("nifti", options.path)
    pairs = find_pairs("nifti", folder, images=options.images, labels=options.labels)
    if options.evaluation_list:
        parts = split_by_list("nifti", pairs, folder / options.evaluation_list)
    else:
        parts = split_by_name("nifti", pairs, share=options.held_out)
    training, evaluation = (_examples(part, options) for part in parts)
    return Source(
        "nifti",
        class_names=options.class_names,
        in_channels=1,
        spatial_rank=3,
        ignore_index=options.ignore_index,
        training_examples=training,
        evaluation_examples=evaluation,
        normalization=Normalization((0.0,), (1.0,)),
        repeats=options.samples_per_volume,
        bad_samples=bad_samples,
    )


def _examples(pairs: tuple[Pair, ...], options: NiftiOptions) -> Examples:
    volumes = PairedVolumes(pairs, len(options.class_names), options.ignore_index)
    if not options.prepared:
        return volumes
    return PreparedVolumes(volumes, pairs, Path(options.prepared).expanduser().resolve())


def _read(path: object) -> Scan:
    try:
        return read_scan(str(path))
    except FileError as error:
        raise BadSample(path, error.rule) from error
