"""What a model of images says of one photograph, of any size."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float32, Int32, UInt8

from .. import ops
from ..data.image_preprocessing import Preprocessing, preprocess, size_of
from ..errors import ArgumentError
from ..nn.checks import positive


@dataclass(frozen=True)
class ImagePrediction:
    """What a model says of an image; one of the two is there.

    Attributes:
        labels: ``(H, W)``, the most likely class of each pixel, of a model that segments.
        scores: ``(classes,)``, the probability of each class, of a model that classifies.
    """

    labels: Int32[np.ndarray, "h w"] | None = None
    scores: Float32[np.ndarray, " classes"] | None = None

    def top(self, count: int = 5) -> list[tuple[int, float]]:
        """The most likely classes and their probabilities, the first first.

        Raises:
            ArgumentError: The model segments, so that there are no probabilities of the whole image, or ``count`` is
                below 1.
        """
        positive("top", count=count)
        if self.scores is None:
            raise ArgumentError("top", "scores", None, "is not there: the model segments", "look at labels")
        order = np.argsort(-self.scores, kind="stable")[:count]
        return [(int(index), float(self.scores[index])) for index in order]


def predict_image(
    model: nnx.Module, image: UInt8[np.ndarray, "h w 3"], *, preprocessing: Preprocessing
) -> ImagePrediction:
    """Segment or classify an image.

    Scores of pixels are resized to the image, bilinearly, before the most likely class is taken.

    Args:
        model: Maps (1, H, W, 3) to logits (1, H', W', classes), or a dictionary with those under ``"out"``, or a tuple
            that begins with them, or to logits (1, classes); runs in evaluation mode and is not changed.
        image: Red, green and blue, 0 to 255.
        preprocessing: What the model expects, e.g. :func:`dilax.data.reference_preprocessing` of its name.

    Raises:
        ArgumentError: The image is of another shape or dtype, or the model gives no logits of two classes or more.
    """
    x = preprocess(image, preprocessing)
    graph, state = nnx.split(model)
    copy: Any = nnx.merge(graph, state)  # shares the arrays, not the mode
    copy.eval()
    graph, state = nnx.split(copy)
    logits = jax.jit(lambda state, x: _logits(nnx.merge(graph, state)(x)))(state, jnp.asarray(x)[None])
    if logits.ndim not in (2, 4) or logits.shape[-1] < 2:
        raise ArgumentError(
            "predict_image", "model", type(model).__name__, f"gives {list(logits.shape)}, no logits of classes",
            "pass a model that segments or classifies",
        )  # fmt: skip
    if logits.ndim == 2:
        return ImagePrediction(scores=np.asarray(jax.nn.softmax(logits[0].astype(jnp.float32))))
    # What was filled up behind the image is cut off, in the proportion of the model's output.
    kept = [
        round(given * true / filled)
        for given, true, filled in zip(logits.shape[1:3], size_of(image, preprocessing), x.shape[:2], strict=True)
    ]
    return ImagePrediction(labels=np.asarray(_labels(logits[:, : kept[0], : kept[1]], image.shape[:2])))


def _logits(output: Any) -> jax.Array:
    if isinstance(output, dict):
        output = output.get("out", next(iter(output.values())))
    return output[0] if isinstance(output, tuple) else output


def _labels(logits: jax.Array, size: tuple[int, ...]) -> jax.Array:
    """Labels of logits that are resized class by class: all at once would take the memory of all classes."""

    def better(best: tuple[jax.Array, jax.Array], each: tuple[jax.Array, jax.Array]) -> Any:
        plane, index = each
        scores = ops.interpolate(plane[None, ..., None], size, mode="bilinear")[0, ..., 0]
        higher = scores > best[0]
        return (jnp.where(higher, scores, best[0]), jnp.where(higher, index, best[1])), None

    @jax.jit
    def run(logits: jax.Array) -> jax.Array:
        planes = jnp.moveaxis(logits[0], -1, 0)
        start = (jnp.full(size, -jnp.inf, logits.dtype), jnp.zeros(size, jnp.int32))
        return jax.lax.scan(better, start, (planes, jnp.arange(len(planes), dtype=jnp.int32)))[0][1]

    return run(logits)
