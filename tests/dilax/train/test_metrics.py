import numpy as np
import pytest

from dilax.errors import ArgumentError
from dilax.train import metrics

RNG = np.random.default_rng(0)
LABELS = RNG.integers(4, size=(5, 7, 3))
PREDICTIONS = np.where(RNG.random((5, 7, 3)) < 0.6, LABELS, RNG.integers(4, size=(5, 7, 3)))


def _counts(label: int) -> tuple[int, int, int]:
    """True positives, false positives and false negatives, one voxel at a time."""
    pairs = list(zip(LABELS.ravel(), PREDICTIONS.ravel(), strict=True))
    hit = sum(t == label == p for t, p in pairs)
    false = sum(t != label == p for t, p in pairs)
    missed = sum(p != label == t for t, p in pairs)
    return hit, false, missed


def test_confusion_has_truth_in_rows() -> None:
    found = metrics.confusion_matrix(LABELS, PREDICTIONS, num_classes=4)
    assert found.dtype == np.int64
    for truth in range(4):
        for predicted in range(4):
            count = ((truth == LABELS) & (predicted == PREDICTIONS)).sum()
            assert found[truth, predicted] == count


def test_dice_and_iou_against_counts() -> None:
    confusion = metrics.confusion_matrix(LABELS, PREDICTIONS, num_classes=4)
    dice, iou = [], []
    for label in range(4):
        hit, false, missed = _counts(label)
        dice.append(2 * hit / (2 * hit + false + missed))
        iou.append(hit / (hit + false + missed))
    np.testing.assert_allclose(metrics.dice(confusion), dice, rtol=1e-14)
    np.testing.assert_allclose(metrics.iou(confusion), iou, rtol=1e-14)
    assert metrics.mean_dice(confusion) == pytest.approx(sum(dice) / 4, rel=1e-14)
    assert metrics.mean_iou(confusion) == pytest.approx(sum(iou) / 4, rel=1e-14)


def test_a_class_neither_present_nor_predicted_is_nan_and_left_out_of_the_mean() -> None:
    # Class 1 is predicted and absent (0), class 2 is neither (NaN).
    confusion = metrics.confusion_matrix(np.array([0, 0, 0, 3]), np.array([0, 0, 1, 3]), num_classes=4)
    np.testing.assert_array_equal(metrics.dice(confusion), [0.8, 0, np.nan, 1])
    assert metrics.mean_dice(confusion) == pytest.approx(0.6)
    assert np.isnan(metrics.mean_iou(np.zeros((3, 3), np.int64)))


@pytest.mark.parametrize("size", [1, 4, 50, 105])
def test_uneven_batches_add_up_to_the_whole(size: int) -> None:
    total = metrics.ConfusionMatrix(4)
    labels, predictions = LABELS.ravel(), PREDICTIONS.ravel()
    for start in range(0, labels.size, size):
        total.update(labels[start : start + size], predictions[start : start + size])
    whole = metrics.confusion_matrix(LABELS, PREDICTIONS, num_classes=4)
    np.testing.assert_array_equal(total.counts, whole)


def test_small_integer_types_do_not_overflow() -> None:
    labels = np.full(300, 20, np.int8)
    assert metrics.confusion_matrix(labels, labels, num_classes=21)[20, 20] == 300


def test_errors() -> None:
    with pytest.raises(ArgumentError) as caught:
        metrics.confusion_matrix(np.zeros((2, 3), int), np.zeros((3, 2), int), num_classes=2)
    assert str(caught.value) == (
        "confusion_matrix: predictions.shape=(3, 2) is not the labels' shape (2, 3); pass one prediction a label."
    )
    with pytest.raises(ArgumentError) as caught:
        metrics.confusion_matrix(np.array([0, 255]), np.array([0, 1]), num_classes=2)
    assert str(caught.value) == (
        "confusion_matrix: labels=(0, 255) is a range outside 0 to 1; "
        "pass class indices, and num_classes as large as they need."
    )
