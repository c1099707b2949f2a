from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dilax.train import cross_entropy, dice_loss, focal_loss

SHAPE, CLASSES = (3, 4, 5, 6), 7
WEIGHTS = (0.5, 2.0, 1.25, 0.0, 3.0, 0.75, 1.5)


def _draw(scale: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(*SHAPE, CLASSES)) * scale).astype(np.float32)
    labels = rng.integers(CLASSES, size=SHAPE)
    return logits, np.where(rng.random(SHAPE) < 0.2, 255, labels)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _pointwise(logits: np.ndarray, labels: np.ndarray, weights: Any, gamma: float, ignored: int | None) -> float:
    """The definition, one sample at a time, in float64."""
    total = counted = 0.0
    for row, label in zip(_log_softmax(logits).reshape(-1, CLASSES), labels.ravel(), strict=True):
        if label == ignored:
            continue
        weight = 1.0 if weights is None else weights[label]
        total -= weight * (1 - np.exp(row[label])) ** gamma * row[label]
        counted += weight
    return total / counted


def _dice(logits: np.ndarray, labels: np.ndarray, generalised: bool, ignored: int | None) -> float:
    """The definition, one image and class at a time, in float64."""
    probabilities, losses = np.exp(_log_softmax(logits)), []
    for image, truth in zip(probabilities, labels, strict=True):
        kept = truth != ignored
        above, below, weights = [], [], []
        for label in range(CLASSES):
            predicted, size = image[kept][:, label], (truth[kept] == label).sum()
            above.append(2 * predicted[truth[kept] == label].sum())
            below.append(predicted.sum() + size)
            weights.append(1 / max(size, 1) ** 2)
        if generalised:
            losses.append(1 - (np.dot(weights, above) + 1e-5) / (np.dot(weights, below) + 1e-5))
        else:
            losses.append(1 - np.mean([(a + 1e-5) / (b + 1e-5) for a, b in zip(above, below, strict=True)]))
    return float(np.mean(losses))


def _compare(loss: Any, oracle: Any, scale: float) -> None:
    """Value, and derivative in a random direction by differences of the oracle."""
    logits, _ = _draw(scale)
    value, gradient = jax.value_and_grad(loss)(logits)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, oracle(logits), rtol=3e-6)
    direction = np.random.default_rng(1).normal(size=logits.shape)
    step, wide = 1e-5 * scale, logits.astype(np.float64)
    expected = (oracle(wide + step * direction) - oracle(wide - step * direction)) / (2 * step)
    assert abs(np.vdot(gradient, direction) - expected) < 1e-4 * (1e-3 + abs(expected))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("ignored", [None, 255])
@pytest.mark.parametrize("gamma", [0.0, 2.0, 0.5])
def test_cross_entropy_and_focal_loss(weights: Any, ignored: int | None, gamma: float) -> None:
    _, labels = _draw()
    labels = labels if ignored else np.where(labels == 255, 2, labels)
    options: dict[str, Any] = {"class_weights": weights, "ignore_index": ignored}

    def loss(logits: Any) -> Any:
        if gamma:
            return focal_loss(logits, labels, gamma=gamma, **options)
        return cross_entropy(logits, labels, **options)

    _compare(loss, lambda logits: _pointwise(logits, labels, weights, gamma, ignored), 3.0)


@pytest.mark.parametrize("scale", [0.1, 10.0, 1e4])
def test_logits_of_any_size(scale: float) -> None:
    labels = np.where(_draw()[1] == 255, 2, _draw()[1])
    _compare(lambda z: cross_entropy(z, labels), lambda z: _pointwise(z, labels, None, 0, None), scale)


@pytest.mark.parametrize("generalised", [False, True])
@pytest.mark.parametrize("ignored", [None, 255])
def test_dice(generalised: bool, ignored: int | None) -> None:
    _, labels = _draw()
    labels = labels if ignored else np.where(labels == 255, 2, labels)
    labels[1][labels[1] == 4] = 3  # an image that lacks a class
    _compare(
        lambda logits: dice_loss(logits, labels, generalised=generalised, ignore_index=ignored),
        lambda logits: _dice(logits, labels, generalised, ignored),
        2.0,
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_is_that_of_pytorch(weights: Any) -> None:
    torch = pytest.importorskip("torch")
    logits, labels = _draw()
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits).double().movedim(-1, 1), torch.from_numpy(labels), ignore_index=255,
        weight=None if weights is None else torch.tensor(weights, dtype=torch.float64),
    )  # fmt: skip
    found = cross_entropy(logits, labels, class_weights=weights, ignore_index=255)
    np.testing.assert_allclose(found, expected.item(), rtol=2e-6)


def test_half_precision_is_averaged_in_single() -> None:
    rng = np.random.default_rng(1)
    logits = jnp.asarray(rng.normal(size=(50_000, CLASSES)), jnp.bfloat16)
    labels = rng.integers(CLASSES, size=50_000)
    value = cross_entropy(logits, labels)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, _pointwise(np.asarray(logits, np.float64), labels, None, 0, None), rtol=1e-5)
    assert dice_loss(logits[None], labels[None]).dtype == jnp.float32


def test_parts_of_a_batch_add_up() -> None:
    logits, labels = _draw()
    total = float((labels != 255).sum())
    for loss, whole in (
        (lambda z, y: cross_entropy(z, y, ignore_index=255, total=total), cross_entropy),
        (lambda z, y: dice_loss(z, y, ignore_index=255, total=3), dice_loss),
    ):
        parts = [float(loss(logits[i : i + 1], labels[i : i + 1])) for i in range(3)]
        assert len(set(parts)) == 3
        np.testing.assert_allclose(sum(parts), whole(logits, labels, ignore_index=255), rtol=1e-6)


@pytest.mark.parametrize("loss", [cross_entropy, focal_loss, dice_loss])
def test_a_batch_of_ignored_labels_gives_zero_and_no_gradient(loss: Any) -> None:
    logits, _ = _draw()
    ignored = np.full(SHAPE, 255)
    value, gradient = jax.value_and_grad(lambda z: loss(z, ignored, ignore_index=255))(logits)
    assert float(value) == 0
    assert not np.any(gradient)
