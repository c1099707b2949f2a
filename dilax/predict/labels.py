"""The most likely class of each voxel of a volume, in the memory that a few feature maps take."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, Int32

from ..errors import ArgumentError
from .tiles import tiles

#: Called with how much is done and how much there is, in stages of the model.
Progress = Callable[[int, int], None]


def predict_labels(
    model: nnx.Module,
    image: Float[np.ndarray, "d h w"],
    *,
    tile: int | Sequence[int] = 0,
    progress: Progress | None = None,
) -> Int32[np.ndarray, "d h w"]:
    """Predict the most likely class of each voxel.

    The model's stages run one after the other, so that a whole volume takes the memory of about four of its largest
    feature maps; one compiled program of all stages takes three times that.

    Args:
        model: Maps (1, D, H, W, 1) to logits (1, D, H, W, classes) of the same resolution; runs in evaluation mode
            and in the dtype of its parameters, and is not changed.
        image: Intensities as in training, usually in [0, 1].
        tile: Edge of the tiles to run at a time, in voxels, or one edge for each axis; 0 for all there is. Tiles
            overlap by the model's radius, so they give what the whole volume gives.
        progress: Told after each stage of each tile.

    Returns:
        Indices of classes.

    Raises:
        ArgumentError: The image is no volume, or a tile does not reach beyond the model's radius.

    >>> from dilax import models
    >>> predict_labels(models.create("meshnet"), np.zeros((4, 5, 6), np.float32)).shape
    (4, 5, 6)
    """
    image = np.asarray(image)
    if image.ndim != 3 or not image.size:
        raise ArgumentError("predict_labels", "image", image.shape, "is no volume", "pass an array of 3 axes")
    radius, size = _checked_tile(model, image.shape, tile)
    stages = [_Stage(stage) for stage in _stages(model)]
    dtype = _dtype(model)
    parts = list(tiles(image.shape, size=size, margin=radius))
    labels = np.empty(image.shape, np.int32)
    for count, part in enumerate(parts):
        x = jnp.asarray(image[part.outer], dtype)[None, ..., None]
        for index, stage in enumerate(stages):
            x = jax.block_until_ready(stage(x))
            if progress is not None:
                progress(count * len(stages) + index + 1, len(parts) * len(stages))
        labels[part.inner] = np.asarray(_most_likely(x))[0][part.kept]
    return labels


def _checked_tile(model: Any, shape: tuple[int, ...], tile: int | Sequence[int]) -> tuple[int, tuple[int, ...]]:
    edges = (tile,) * 3 if isinstance(tile, int) else tuple(tile)
    if len(edges) != 3 or any(isinstance(edge, bool) or not isinstance(edge, int) or edge < 0 for edge in edges):
        raise ArgumentError(
            "predict_labels", "tile", tile, "is no edge and no edge for each of 3 axes",
            "pass e.g. 160, or (160, 0, 0) for slabs",
        )  # fmt: skip
    if not any(0 < edge < length for edge, length in zip(edges, shape, strict=True)):
        return 0, (0, 0, 0)
    radius = getattr(model, "radius", None)
    if radius is None:
        raise ArgumentError(
            "predict_labels", "tile", tile, f"cannot be used: {type(model).__name__} does not say its radius",
            "give the model an attribute radius, or pass tile=0",
        )  # fmt: skip
    if any(0 < edge < length and edge <= 2 * radius for edge, length in zip(edges, shape, strict=True)):
        raise ArgumentError(
            "predict_labels", "tile", tile, f"is not above twice the model's radius of {radius} voxels",
            f"pass {4 * radius} or more, or 0 for the whole volume",
        )  # fmt: skip
    return radius, edges


def _dtype(model: nnx.Module) -> Any:
    """The dtype of the model's floating parameters, in which it runs."""
    dtypes = (leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
    return next((dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)), jnp.float32)


def _stages(model: Any) -> list[Any]:
    """Parts to run one after the other; the model itself if it does not say."""
    graph, state = nnx.split(model)
    copy: Any = nnx.merge(graph, state)  # shares the arrays, not the mode
    copy.eval()
    return list(copy.stages) if hasattr(copy, "stages") else [copy]


class _Stage:
    """A compiled part of a model, which gives its input's memory to its output where it can."""

    def __init__(self, stage: Any) -> None:
        graph, self._state = nnx.split(stage)

        def run(x: jax.Array, state: Any) -> jax.Array:
            built: Any = nnx.merge(graph, state)
            return built(x)

        self._keeping = jax.jit(run)
        self._reusing = jax.jit(run, donate_argnums=0)

    def __call__(self, x: jax.Array) -> jax.Array:
        result = jax.eval_shape(self._keeping, x, self._state)
        same = (result.shape, result.dtype) == (x.shape, x.dtype)
        return (self._reusing if same else self._keeping)(x, self._state)


@jax.jit
def _most_likely(logits: jax.Array) -> jax.Array:
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)
