"""A volume and its labels in three planes, as people look at them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int

from ..errors import ArgumentError, FileError, MissingDependency

_PLANES = ("sagittal", "coronal", "axial")
_PIXELS_PER_INCH = 110
_COLUMN = 3.0  # inches
#: Classes 1, 2, … in these colours, over and over; class 0 stays clear.
_COLOURS = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#b3de69", "#fb8072", "#bc80bd",
)  # fmt: skip


def draw_labels(
    path: str | os.PathLike[str],
    image: Float[np.ndarray, "d h w"],
    columns: dict[str, Int[np.ndarray, "d h w"]],
    *,
    affine: Float64[np.ndarray, "4 4"],
    class_names: Sequence[str],
    at: tuple[int, int, int] | None = None,
    title: str = "",
) -> None:
    """Draw three planes of a volume, alone and with labels over it.

    Args:
        path: The picture to write, e.g. ``labels.png``; its ending says the format.
        image: Intensities.
        columns: One volume of labels for each column behind the plain image, under its heading.
        affine: Voxel indices to millimetres: the planes are drawn upright, to scale, left side left.
        class_names: One name a class, in the legend; class 0 is left clear.
        at: The voxel where the planes meet; the middle of what is labelled if None.
        title: A line above.

    Raises:
        ArgumentError: A volume of labels has another shape than the image.
        FileError: The picture cannot be written.
        MissingDependency: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import ListedColormap
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError as error:
        raise MissingDependency("draw_labels", "matplotlib", "demo") from error
    for heading, labels in columns.items():
        if labels.shape != image.shape:
            raise ArgumentError(
                "draw_labels", "columns", heading, f"has labels of shape {labels.shape}, not {image.shape}",
                "pass labels of the image",
            )  # fmt: skip
    volumes = {"image": image, **columns}
    where = _middle(columns, image.shape) if at is None else at
    turned = {name: _upright(volume, affine) for name, volume in volumes.items()}
    point = _upright_point(where, image.shape, affine)
    spacing = _upright_spacing(affine)
    colours = ListedColormap([_COLOURS[index % len(_COLOURS)] for index in range(max(len(class_names) - 1, 1))])

    extent = [length * size for length, size in zip(turned["image"].shape, spacing, strict=True)]
    widths, heights = (extent[1], extent[0], extent[0]), (extent[2], extent[2], extent[1])
    inch = _COLUMN / max(widths)
    legend = -(-len(class_names[1:]) // (2 * len(volumes)))
    above, below = 0.55 + 0.35 * bool(title), 0.15 + 0.22 * legend
    width, height = (_COLUMN + 0.1) * len(volumes) + 0.3, sum(heights) * inch + above + below
    figure = Figure(figsize=(width, height), dpi=_PIXELS_PER_INCH, facecolor="black")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(3, len(volumes), squeeze=False, height_ratios=heights)
    for row, plane in enumerate(_PLANES):
        across, up = (axis for axis in range(3) if axis != row)
        axes[row][0].text(
            0, 0.5, plane, color="0.7", rotation=90, transform=axes[row][0].transAxes, ha="right", va="center"
        )
        for panel, (name, volume) in zip(axes[row], turned.items(), strict=True):
            over = None if name == "image" else _slice(volume, row, point)
            _draw_panel(panel, _slice(turned["image"], row, point), over, colours, spacing[up] / spacing[across])
    for panel, name in zip(axes[0], turned, strict=True):
        panel.set_title(name, color="white", fontsize=11)
    handles = [Patch(color=colours(index), label=name) for index, name in enumerate(class_names[1:])]
    if handles:
        figure.legend(
            handles=handles, loc="lower center", ncols=min(2 * len(volumes), len(handles)), frameon=False,
            labelcolor="white", fontsize=9,
        )  # fmt: skip
    if title:
        figure.suptitle(title, color="white", fontsize=12, y=1 - 0.2 / height)
    figure.subplots_adjust(
        left=0.3 / width, right=1, top=1 - above / height, bottom=below / height, wspace=0.02, hspace=0.02
    )
    save_figure("draw_labels", figure, Path(path))


def _draw_panel(panel: Any, image: Any, labels: Any, colours: Any, aspect: float) -> None:
    show = {"origin": "lower", "aspect": aspect, "interpolation": "nearest"}
    panel.set_axis_off()
    panel.imshow(image, cmap="gray", **show)
    if labels is not None:
        clear = np.ma.masked_equal(labels, 0)
        panel.imshow(clear - 1, cmap=colours, vmin=-0.5, vmax=colours.N - 0.5, alpha=0.6, **show)


def save_figure(function: str, figure: Any, path: Path) -> None:
    """Write a figure.

    Raises:
        FileError: It cannot be written.
    """
    try:
        figure.savefig(path, facecolor="black")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise FileError(function, path, f"cannot be written ({reason})", "pass e.g. labels.png") from error


def _middle(columns: dict[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    labels = next(iter(columns.values()), None)
    found = np.argwhere(labels > 0) if labels is not None else np.empty((0, 3))
    return tuple(int(axis) for axis in np.median(found, axis=0)) if len(found) else tuple(n // 2 for n in shape)


def _orientation(affine: Any) -> Any:
    import nibabel

    return nibabel.orientations.io_orientation(affine)


def _upright(volume: Any, affine: Any) -> Any:
    """The volume with its axes left to right, back to front, bottom to top."""
    import nibabel

    return nibabel.orientations.apply_orientation(volume, _orientation(affine))


def _upright_point(point: Sequence[int], shape: Sequence[int], affine: Any) -> tuple[int, ...]:
    turned = [0, 0, 0]
    for axis, (target, flip) in enumerate(_orientation(affine)):
        turned[int(target)] = point[axis] if flip > 0 else shape[axis] - 1 - point[axis]
    return tuple(turned)


def _upright_spacing(affine: Any) -> tuple[float, ...]:
    sizes = np.sqrt((np.asarray(affine)[:3, :3] ** 2).sum(axis=0))
    turned = [1.0, 1.0, 1.0]
    for axis, (target, _) in enumerate(_orientation(affine)):
        turned[int(target)] = float(sizes[axis])
    return tuple(turned)


def _slice(volume: Any, axis: int, point: Sequence[int]) -> Any:
    return np.take(volume, point[axis], axis=axis).T
