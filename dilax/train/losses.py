"""Loss functions, in float32 or wider whatever the model computes in.

All divide by a total that can be passed in, so that the losses of parts of a batch add up to that of the whole.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

#: Added above and below in :func:`dice_loss`, in samples: it decides for classes that are not there.
_SMOOTH = 1e-5


def sample_weights(
    labels: Int[Array, "*batch"], *, class_weights: Sequence[float] | None = None, ignore_index: int | None = None
) -> Float[Array, "*batch"]:
    """What each sample counts: the weight of its class, 1 without weights, and 0 where its label is ignored.

    Args:
        labels: Integers (...).
        class_weights: One number a class.
        ignore_index: The label that does not count.

    Returns:
        float32 (...).
    """
    counted = jnp.ones(labels.shape, bool) if ignore_index is None else labels != ignore_index
    if class_weights is None:
        return counted.astype(jnp.float32)
    weights = jnp.asarray(class_weights, jnp.float32)
    return jnp.where(counted, weights[jnp.where(counted, labels, 0)], 0)


def cross_entropy(
    logits: Float[Array, "*batch classes"],
    labels: Int[Array, "*batch"],
    *,
    class_weights: Sequence[float] | None = None,
    ignore_index: int | None = None,
    total: Any = None,
) -> Float[Array, ""]:
    r"""Weighted mean over all samples of the negative log-probability of the true class.

    .. math:: \frac{1}{\sum_i w_{y_i}} \sum_i w_{y_i} \Big( \log \sum_c e^{z_{ic}} - z_{i y_i} \Big)

    Args:
        logits: Floating (..., C); finite at any size.
        labels: Integers (...) from 0 to C - 1, or ``ignore_index``; others are not checked.
        class_weights: One number a class; all 1 if None.
        ignore_index: The label of samples that do not count.
        total: What to divide by; the sum of the weights if None.

    Returns:
        The mean, float32, or the dtype of the logits if that is wider. Differs from PyTorch: 0 where no sample counts.

    >>> import jax.numpy as jnp
    >>> float(cross_entropy(jnp.array([[1e4, 0.0]]), jnp.array([0])))
    0.0
    """
    weights = sample_weights(labels, class_weights=class_weights, ignore_index=ignore_index)
    return _mean(-_log_probability(logits, labels), weights, total)


def focal_loss(
    logits: Float[Array, "*batch classes"],
    labels: Int[Array, "*batch"],
    *,
    gamma: float = 2.0,
    class_weights: Sequence[float] | None = None,
    ignore_index: int | None = None,
    total: Any = None,
) -> Float[Array, ""]:
    r"""Cross-entropy in which samples that are right already count less: each is times :math:`(1 - p_{y_i})^\gamma`.

    Args:
        logits: As for :func:`cross_entropy`, as all that follows.
        labels: As there.
        gamma: 0 or more; 0 gives cross-entropy.
        class_weights: As there; the paper's alpha.
        ignore_index: As there.
        total: As there; the weights are those of the classes alone.

    Returns:
        As there.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017, with a softmax over the classes.
    """
    weights = sample_weights(labels, class_weights=class_weights, ignore_index=ignore_index)
    log_probability = _log_probability(logits, labels)
    # Kept away from 0, where the power of a gamma below 1 has no derivative.
    missing = jnp.maximum(-jnp.expm1(log_probability), jnp.finfo(log_probability.dtype).tiny)
    return _mean(-(missing**gamma) * log_probability, weights, total)


def dice_loss(
    logits: Float[Array, "n *space classes"],
    labels: Int[Array, "n *space"],
    *,
    generalised: bool = False,
    ignore_index: int | None = None,
    total: Any = None,
) -> Float[Array, ""]:
    r"""One minus the soft Dice coefficient of each image, averaged over the batch.

    With probabilities :math:`p` and the truth :math:`g` in 0 and 1, summed over the samples of an image,

    .. math:: 1 - \frac{1}{C} \sum_c \frac{2 \sum p_c g_c + s}{\sum p_c + \sum g_c + s}
        \qquad\text{or, generalised,}\qquad
        1 - \frac{2 \sum_c w_c \sum p_c g_c + s}{\sum_c w_c (\sum p_c + \sum g_c) + s},
        \quad w_c = \Big(\sum g_c\Big)^{-2}

    where a class that an image lacks has the weight of one with a single sample, and :math:`s` is 1e-5. Images are
    averaged, not pooled, so that the loss of a batch is the mean of the losses of its parts.

    Args:
        logits: Floating (N, ..., C).
        labels: Integers (N, ...) from 0 to C - 1, or ``ignore_index``.
        generalised: Whether classes are weighted by their size, so that small ones count as much as large ones.
        ignore_index: The label of samples that do not count.
        total: What to divide the sum over the batch by; N if None.

    Returns:
        The mean, from 0 to 1; dtype as of :func:`cross_entropy`.

    Source: Milletari et al., "V-Net", 2016 (without squares below); Sudre et al., "Generalised Dice overlap as a deep
    learning loss function for highly unbalanced segmentations", 2017.
    """
    logits = _widen(logits)
    counted = sample_weights(labels, ignore_index=ignore_index)[..., None].astype(logits.dtype)
    predicted = jax.nn.softmax(logits, axis=-1) * counted
    truth = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype) * counted
    space = tuple(range(1, logits.ndim - 1))
    size = jnp.sum(truth, space)
    both, either = jnp.sum(predicted * truth, space), jnp.sum(predicted, space) + size
    if generalised:
        weights = 1 / jnp.maximum(size, 1) ** 2
        both, either = jnp.sum(weights * both, -1), jnp.sum(weights * either, -1)
    dice = (2 * both + _SMOOTH) / (either + _SMOOTH)
    lost = 1 - (dice if generalised else jnp.mean(dice, -1))
    return jnp.sum(lost) / (len(labels) if total is None else total)


def _widen(logits: Array) -> Array:
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def _log_probability(logits: Array, labels: Array) -> Array:
    """That of the true class; whatever number where the label is ignored."""
    logits = _widen(logits)
    # A product with one-hot vectors has a far faster gradient on the CPU than an indexed read.
    picked = jnp.sum(logits * jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype), axis=-1)
    return picked - jax.nn.logsumexp(logits, axis=-1)


def _mean(values: Array, weights: Array, total: Any) -> Array:
    weights = weights.astype(values.dtype)
    if total is None:
        total = jnp.sum(weights)
    return jnp.sum(values * weights) / jnp.where(total > 0, total, 1)
