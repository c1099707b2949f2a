"""A folder of images and masks."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import ArgumentError, FileError
from .augmentation import Normalization
from .bad_samples import BadSamples
from .masks import IndexMask, MappedMask, ReadMask, parse_color
from .pairs import PairedImages, find_pairs
from .source import Source
from .splits import split_by_list, split_by_name

#: Of ImageNet's photographs, in [0, 1].
IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class FolderOptions:
    """Options of a folder of images and masks.

    Args:
        path: The folder.
        class_names: One name a class.
        images: Pattern of the images in it.
        masks: Pattern of the masks in it. What the wildcards of the two patterns stand for pairs the files.
        colors: The colour of each class, such as ``"#ff8000"``, where masks hold colours; a grey value is a colour of
            three equal parts. None: masks hold the numbers of classes.
        ignored_colors: Colours of pixels without a class.
        ignore_index: The number of pixels without a class.
        channels: 3 for colour images, 1 for grey ones; files are converted.
        held_out: Share that is kept for evaluation, chosen by name.
        evaluation_list: A text file in the folder with the names to evaluate, one a line, instead of a share.
        mean: Mean of each channel for values in [0, 1]; those of ImageNet, or their mean, if empty.
        std: Standard deviation of each channel, likewise.

    Raises:
        ArgumentError: A value is out of range.
    """

    path: str = ""
    class_names: tuple[str, ...] = ()
    images: str = "images/*"
    masks: str = "masks/*"
    colors: tuple[str, ...] = ()
    ignored_colors: tuple[str, ...] = ()
    ignore_index: int = 255
    channels: int = 3
    held_out: float = 0.2
    evaluation_list: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_classes("folder", self.class_names, self.ignore_index)
        if self.colors and len(self.colors) != len(self.class_names):
            raise ArgumentError(
                "folder", "colors", self.colors, f"is not one colour for each of {len(self.class_names)} classes",
                "pass as many colours as class_names",
            )  # fmt: skip
        if self.ignored_colors and not self.colors:
            raise ArgumentError(
                "folder", "ignored_colors", self.ignored_colors, "has no use without colors", "pass colors as well"
            )
        if self.channels not in (1, 3):
            raise ArgumentError("folder", "channels", self.channels, "is neither 1 nor 3", "pass 3, or 1 for grey")
        # Both check what they are made of.
        _ = self.read_mask, self.normalization

    @property
    def normalization(self) -> Normalization:
        """Mean and standard deviation of each channel."""
        return normalization_of("folder", self.mean, self.std, channels=self.channels)

    @property
    def read_mask(self) -> ReadMask:
        """What reads a mask."""
        if not self.colors:
            return IndexMask(len(self.class_names), self.ignore_index)
        table = {parse_color(color): label for label, color in enumerate(self.colors)}
        table |= {parse_color(color): self.ignore_index for color in self.ignored_colors}
        if len(table) < len(self.colors) + len(self.ignored_colors):
            raise ArgumentError("folder", "colors", self.colors, "has a colour twice", "pass one colour a class")
        return MappedMask(table, colors=True)


def load_folder(options: FolderOptions, bad_samples: BadSamples) -> Source:
    """Pair the images and masks of a folder.

    Raises:
        FileError: The folder is missing or empty, or a file has no partner.
        ArgumentError: The share of the evaluation leaves one part empty.
    """
    folder = checked_folder("folder", options.path)
    pairs = find_pairs("folder", folder, images=options.images, labels=options.masks)
    if options.evaluation_list:
        training, evaluation = split_by_list("folder", pairs, folder / options.evaluation_list)
    else:
        training, evaluation = split_by_name("folder", pairs, share=options.held_out)
    return Source(
        "folder",
        class_names=options.class_names,
        in_channels=options.channels,
        spatial_rank=2,
        ignore_index=options.ignore_index,
        training_examples=PairedImages(training, options.read_mask, options.channels),
        evaluation_examples=PairedImages(evaluation, options.read_mask, options.channels),
        normalization=options.normalization,
        bad_samples=bad_samples,
    )


def checked_folder(source: str, path: str) -> Path:
    """The path of a data set.

    Raises:
        ArgumentError: None was given.
        FileError: There is no such folder.
    """
    if not path:
        raise ArgumentError("load_source", "path", path, f"is no folder of {source}", f"pass e.g. '{source}:/data/set'")
    folder = Path(path).expanduser().resolve()
    if not folder.is_dir():
        raise FileError(source, path, "is no folder", "check the path")
    return folder


def check_classes(source: str, names: tuple[str, ...], ignore_index: int) -> None:
    """See whether there are classes, all with names of their own, and an ignore index beside them.

    Raises:
        ArgumentError: It is not so.
    """
    if not names or len(set(names)) < len(names):
        raise ArgumentError(
            source, "class_names", names, "is not one name a class", "pass e.g. ('background', 'lesion')"
        )
    if 0 <= ignore_index < len(names):
        raise ArgumentError(
            source, "ignore_index", ignore_index, f"is the class {names[ignore_index]!r}", "pass another, e.g. 255"
        )


def normalization_of(source: str, mean: tuple[float, ...], std: tuple[float, ...], *, channels: int) -> Normalization:
    """What was given, or the mean and standard deviation of ImageNet.

    Raises:
        ArgumentError: There are not as many numbers as channels, or a deviation is not positive.
    """
    grey = tuple((sum(values) / 3,) for values in (IMAGENET.mean, IMAGENET.std))
    default = (IMAGENET.mean, IMAGENET.std) if channels == 3 else grey
    for name, values in (("mean", mean), ("std", std)):
        if values and (len(values) != channels or (name == "std" and min(values) <= 0)):
            kind = "positive number" if name == "std" else "number"
            rule = f"is not one {kind} for each channel, of which there are {channels}"
            raise ArgumentError(source, name, values, rule, "pass as many as channels")
    return Normalization(mean or default[0], std or default[1])
