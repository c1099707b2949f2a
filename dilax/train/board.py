"""What TensorBoard shows: scalars of every step and epoch, and pictures of predictions."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8

from ..data import Example, Source
from ..errors import MissingDependency
from .events import EpochDone, Event, RunStarted, StepDone

#: Colours of the first classes; later ones begin anew.
_COLOURS = np.array(
    [(0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
     (204, 121, 167)], np.uint8,
)  # fmt: skip


class Board:
    """Writes events for TensorBoard into ``tensorboard`` in the run's directory.

    Args:
        directory: Of the run.
        source: What it learns from.
        pictures: Predictions to draw in each evaluation.

    Raises:
        MissingDependency: tensorboardX is not installed.

    Source of the colours: Wong, "Points of view: Color blindness", 2011.
    """

    def __init__(self, directory: Path, source: Source, *, pictures: int) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise MissingDependency("train", "tensorboardX", "tensorboard") from error
        self._writer: Any = SummaryWriter(str(directory / "tensorboard"))
        self._source, self._pictures = source, pictures
        self._waiting: list[tuple[str, np.ndarray]] = []

    def __call__(self, event: Event) -> None:
        """Write one event."""
        if isinstance(event, StepDone):
            for name in ("loss", "accuracy", "learning_rate", "seconds"):
                self._writer.add_scalar(f"step/{name}", getattr(event, name), event.step)
        elif isinstance(event, EpochDone):
            for name in ("loss", "accuracy", "voxels_per_second"):
                self._writer.add_scalar(f"epoch/{name}", getattr(event, name), event.step)
            for name, value in event.metrics.items():
                self._writer.add_scalar(f"held_out/{name}", value, event.step)
            for name, picture in self._waiting:
                self._writer.add_image(f"held_out/{name}", picture, event.step, dataformats="HWC")
            self._waiting = []
            self._writer.flush()
        elif isinstance(event, RunStarted):
            self._writer.add_text("config", f"```\n{event.config}\n```", event.step)

    def see(self, example: Example, predicted: Int[np.ndarray, "*space"]) -> None:
        """Keep a picture for the end of the epoch, if there are not enough yet."""
        if len(self._waiting) < self._pictures:
            name = example.name or str(len(self._waiting))
            self._waiting.append((name, draw(example, predicted, ignore_index=self._source.ignore_index)))

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def draw(example: Example, predicted: Int[np.ndarray, "*space"], *, ignore_index: int) -> UInt8[np.ndarray, "h w3 3"]:
    """Image, truth and prediction side by side; of a volume the middle plane of its shortest axis.

    Args:
        example: (H, W, C) or (D, H, W, C).
        predicted: Classes, (H, W) or (D, H, W).
        ignore_index: The label that is left grey.
    """
    image, labels = example.image, example.labels
    if labels.ndim == 3:
        axis = int(np.argmin(labels.shape))
        middle = labels.shape[axis] // 2
        image, labels, predicted = (np.take(array, middle, axis) for array in (image, labels, predicted))
    truth = np.where((labels == ignore_index)[..., None], np.uint8(128), _colour(labels))
    return np.concatenate([_grey(image), truth, _colour(predicted)], axis=1)


def _colour(labels: Int[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    return _COLOURS[labels % len(_COLOURS)]


def _grey(image: Float32[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """The image over its whole range, in colours if it has three channels."""
    low, high = float(image.min()), float(image.max())
    scaled = (255 * (image - low) / (high - low if high > low else 1)).astype(np.uint8)
    return scaled if scaled.shape[-1] == 3 else np.repeat(scaled[..., :1], 3, axis=-1)
