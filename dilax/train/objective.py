"""What a run minimises: losses added up, over every output of the model."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..errors import ArgumentError
from .config import LossConfig
from .losses import cross_entropy, dice_loss, focal_loss, sample_weights


class Totals(NamedTuple):
    """What the losses of a batch are divided by.

    Args:
        weight: Sum of the weights of its samples, 0-d.
        images: How many images it has.
    """

    weight: Any
    images: Any


class Objective:
    """The loss of a run.

    Args:
        config: Which losses, and how much of each.
        class_weights: One number a class, for cross-entropy and focal loss.
        ignore_index: The label of samples that do not count.
    """

    def __init__(
        self,
        config: LossConfig | None = None,
        *,
        class_weights: Sequence[float] | None = None,
        ignore_index: int | None = None,
    ) -> None:
        self._config = config or LossConfig()
        self._class_weights, self.ignore_index = class_weights, ignore_index

    def totals(self, labels: Int[Array, "n *space"]) -> Totals:
        """What to divide by, from labels alone; totals of parts of a batch add up to those of the batch."""
        weights = sample_weights(labels, class_weights=self._class_weights, ignore_index=self.ignore_index)
        return Totals(jnp.sum(weights), labels.shape[0])

    def __call__(self, outputs: Any, labels: Int[Array, "n *space"], totals: Totals | None = None) -> Float[Array, ""]:
        """The loss of a batch, or the share that some of its images have in it.

        Args:
            outputs: Logits (N, ..., C), a tuple that begins with them, or a mapping of ``"out"`` and perhaps ``"aux"``
                to such.
            labels: Integers (N, ...).
            totals: Those of the whole batch; of these labels if None.

        Raises:
            ArgumentError: The logits do not have the shape of the labels.
        """
        totals = totals or self.totals(labels)
        loss = self._of(logits_of(outputs), labels, totals)
        if isinstance(outputs, Mapping) and "aux" in outputs and self._config.auxiliary:
            loss += self._config.auxiliary * self._of(outputs["aux"], labels, totals)
        return loss

    def _of(self, logits: Array, labels: Array, totals: Totals) -> Array:
        if logits.shape[:-1] != labels.shape:
            raise ArgumentError(
                "train", "labels.shape", labels.shape, f"is not that of the logits {logits.shape} without classes",
                "pass one label for each position of the output",
            )  # fmt: skip
        config, ignored, weights = self._config, self.ignore_index, self._class_weights
        parts = []
        if config.cross_entropy:
            entropy = cross_entropy(logits, labels, class_weights=weights, ignore_index=ignored, total=totals.weight)
            parts.append(config.cross_entropy * entropy)
        if config.focal:
            focal = focal_loss(
                logits, labels, gamma=config.gamma, class_weights=weights, ignore_index=ignored, total=totals.weight
            )  # fmt: skip
            parts.append(config.focal * focal)
        if config.dice:
            dice = dice_loss(logits, labels, generalised=config.generalised, ignore_index=ignored, total=totals.images)
            parts.append(config.dice * dice)
        return sum(parts[1:], parts[0])


def logits_of(outputs: Any) -> Any:
    """The main logits among a model's outputs: under ``"out"``, the first of several, or all there is."""
    if isinstance(outputs, Mapping):
        return outputs["out"]
    return outputs[0] if isinstance(outputs, tuple | list) else outputs
