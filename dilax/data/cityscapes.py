"""The layout of Cityscapes."""

from dataclasses import dataclass

from .bad_samples import BadSamples
from .folder import checked_folder, normalization_of
from .masks import MappedMask
from .pairs import PairedImages, find_pairs
from .source import Source

#: The class of each id that is trained and scored; the other ids have none.
CLASSES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip

IGNORE_INDEX = 255

#: Ids of the masks ``labelIds``, the last of them a bicycle.
_IDS = range(34)


@dataclass(frozen=True)
class CityscapesOptions:
    """Options of Cityscapes.

    Args:
        path: The folder with ``leftImg8bit`` and ``gtFine``.
        mean: Mean of each channel for values in [0, 1]; those of ImageNet if empty.
        std: Standard deviation of each channel, likewise.
    """

    path: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def load_cityscapes(options: CityscapesOptions, bad_samples: BadSamples) -> Source:
    """Pair the images of Cityscapes with their masks of ids, for ``train`` and ``val``.

    Raises:
        FileError: A folder is missing, or a file has no partner.

    Source: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", 2016.
    """
    folder = checked_folder("cityscapes", options.path)
    classes = {number: index for index, number in enumerate(CLASSES)}
    read_mask = MappedMask({number: classes.get(number, IGNORE_INDEX) for number in _IDS}, colors=False)

    def part(name: str) -> PairedImages:
        pairs = find_pairs(
            "cityscapes", folder, images=f"leftImg8bit/{name}/*/*_leftImg8bit.png",
            labels=f"gtFine/{name}/*/*_gtFine_labelIds.png",
        )  # fmt: skip
        return PairedImages(pairs, read_mask)

    return Source(
        "cityscapes",
        class_names=tuple(CLASSES.values()),
        in_channels=3,
        spatial_rank=2,
        ignore_index=IGNORE_INDEX,
        training_examples=part("train"),
        evaluation_examples=part("val"),
        normalization=normalization_of("cityscapes", options.mean, options.std, channels=3),
        bad_samples=bad_samples,
    )
