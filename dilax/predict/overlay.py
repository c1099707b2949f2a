"""A photograph with the classes of its pixels over it, as people look at them."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from ..data.images import label_colours
from ..errors import ArgumentError, MissingDependency
from .picture import save_figure

_PIXELS_PER_INCH = 110
_WIDTH = 5.0  # inches of each of the two panels
_COLUMNS = 5  # of the legend
_OPACITY = 0.6


def draw_overlay(
    path: str | os.PathLike[str],
    image: UInt8[np.ndarray, "h w 3"],
    labels: Int[np.ndarray, "h w"],
    *,
    class_names: Sequence[str],
    title: str = "",
) -> None:
    """Draw a photograph, and beside it the same with its labels in VOC's colours and a legend of those that occur.

    Args:
        path: The picture to write, e.g. ``overlay.png``; its ending says the format.
        image: Red, green and blue, 0 to 255.
        labels: Class of each pixel, below 256; class 0 is left clear.
        class_names: One name a class.
        title: A line above.

    Raises:
        ArgumentError: The labels have another shape than the image.
        FileError: The picture cannot be written.
        MissingDependency: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError as error:
        raise MissingDependency("draw_overlay", "matplotlib", "images") from error
    if labels.shape != image.shape[:2]:
        raise ArgumentError(
            "draw_overlay", "labels", labels.shape, f"is not the shape of the image, {image.shape[:2]}",
            "pass labels of the image",
        )  # fmt: skip
    colours = label_colours() / 255
    shares = np.bincount(labels.ravel(), minlength=1) / labels.size
    shown = [int(index) for index in np.argsort(-shares, kind="stable") if index > 0 and shares[index] > 0]
    rows = -(-len(shown) // _COLUMNS)
    above, below = 0.1 + 0.4 * bool(title), 0.1 + 0.25 * rows
    height = _WIDTH * image.shape[0] / image.shape[1]
    size = (2 * _WIDTH + 0.1, height + above + below)
    figure = Figure(figsize=size, dpi=_PIXELS_PER_INCH, facecolor="black")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for panel in panels:
        panel.set_axis_off()
        panel.imshow(image)
    over = np.concatenate([colours[labels], np.where(labels > 0, _OPACITY, 0)[..., None]], axis=-1)
    panels[1].imshow(over, interpolation="nearest")
    percents = {index: f"{shares[index]:.0%}" if shares[index] >= 0.005 else "<1%" for index in shown}
    handles = [Patch(color=colours[index], label=f"{class_names[index]} {percents[index]}") for index in shown]
    if handles:
        figure.legend(
            handles=handles, loc="lower center", ncols=min(_COLUMNS, len(handles)), frameon=False, labelcolor="white",
            fontsize=9,
        )  # fmt: skip
    if title:
        figure.suptitle(title, color="white", fontsize=12, y=1 - 0.15 / size[1])
    figure.subplots_adjust(left=0, right=1, top=1 - above / size[1], bottom=below / size[1], wspace=0.02)
    save_figure("draw_overlay", figure, Path(path))
