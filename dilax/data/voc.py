"""The layout of PASCAL VOC."""

from dataclasses import dataclass

from ..errors import FileError
from .bad_samples import BadSamples
from .folder import checked_folder, normalization_of
from .masks import IndexMask
from .pairs import Pair, PairedImages
from .source import Source
from .splits import read_names

#: Value 0 of a mask is the first, and 255, the border of objects, has no class.
CLASS_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

IGNORE_INDEX = 255


@dataclass(frozen=True)
class VocOptions:
    """Options of PASCAL VOC.

    Args:
        path: The folder with ``JPEGImages``, such as ``VOCdevkit/VOC2012``.
        training_list: Name of a list in ``ImageSets/Segmentation`` to learn from.
        evaluation_list: Name of the list to evaluate.
        masks: Folder of the masks, such as ``SegmentationClassAug`` where more were added.
        mean: Mean of each channel for values in [0, 1]; those of ImageNet if empty.
        std: Standard deviation of each channel, likewise.
    """

    path: str = ""
    training_list: str = "train"
    evaluation_list: str = "val"
    masks: str = "SegmentationClass"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def load_voc(options: VocOptions, bad_samples: BadSamples) -> Source:
    """Find the images and masks that VOC's lists name.

    Raises:
        FileError: A folder or a list is missing.

    Source: Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", 2015.
    """
    folder = checked_folder("voc", options.path)
    for needed in ("JPEGImages", options.masks):
        if not (folder / needed).is_dir():
            raise FileError("voc", folder / needed, "is no folder", "pass the folder with JPEGImages, e.g. VOC2012")

    def part(list_name: str) -> PairedImages:
        names = read_names("voc", folder / "ImageSets" / "Segmentation" / f"{list_name}.txt")
        pairs = (
            Pair(name, folder / "JPEGImages" / f"{name}.jpg", folder / options.masks / f"{name}.png") for name in names
        )
        return PairedImages(tuple(pairs), IndexMask(len(CLASS_NAMES), IGNORE_INDEX))

    return Source(
        "voc",
        class_names=CLASS_NAMES,
        in_channels=3,
        spatial_rank=2,
        ignore_index=IGNORE_INDEX,
        training_examples=part(options.training_list),
        evaluation_examples=part(options.evaluation_list),
        normalization=normalization_of("voc", options.mean, options.std, channels=3),
        bad_samples=bad_samples,
    )
