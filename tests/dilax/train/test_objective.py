from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from dilax.errors import ArgumentError
from dilax.train import LossConfig, Objective, cross_entropy, dice_loss, focal_loss

RNG = np.random.default_rng(0)
OUT, AUX = (RNG.normal(size=(4, 5, 6, 3)).astype(np.float32) for _ in range(2))
LABELS = np.where(RNG.random((4, 5, 6)) < 0.3, 9, RNG.integers(3, size=(4, 5, 6)))
WEIGHTS = (0.5, 2.0, 1.0)


@pytest.mark.slow
def test_shares_of_all_losses_over_both_outputs() -> None:
    config = LossConfig(cross_entropy=0.5, focal=0.25, dice=2.0, gamma=1.5, generalised=True, auxiliary=0.3)
    objective = Objective(config, class_weights=WEIGHTS, ignore_index=9)

    def expected(z: Any) -> Any:
        options: Any = {"class_weights": WEIGHTS, "ignore_index": 9}
        return (
            0.5 * cross_entropy(z, LABELS, **options)
            + 0.25 * focal_loss(z, LABELS, gamma=1.5, **options)
            + 2 * dice_loss(z, LABELS, generalised=True, ignore_index=9)
        )

    np.testing.assert_allclose(objective(OUT, LABELS), expected(OUT), rtol=1e-6)
    found = objective({"out": OUT, "aux": AUX}, LABELS)
    np.testing.assert_allclose(found, expected(OUT) + 0.3 * expected(AUX), rtol=1e-6)


def test_the_second_head_counts_two_fifths_and_may_be_left_out() -> None:
    outputs = {"out": OUT, "aux": AUX}
    labels = np.where(LABELS == 9, 0, LABELS)
    both = cross_entropy(OUT, labels) + 0.4 * cross_entropy(AUX, labels)
    np.testing.assert_allclose(Objective()(outputs, labels), both, rtol=1e-6)
    assert Objective(LossConfig(auxiliary=0))(outputs, labels) == cross_entropy(OUT, labels)


@pytest.mark.slow
def test_uneven_parts_add_up_to_the_batch() -> None:
    config = LossConfig(cross_entropy=1, focal=1, dice=1)
    objective = Objective(config, class_weights=WEIGHTS, ignore_index=9)
    totals = objective.totals(jnp.asarray(LABELS))
    parts = [objective(OUT[part], LABELS[part], totals) for part in (slice(0, 1), slice(1, 4))]
    np.testing.assert_allclose(sum(parts), objective(OUT, LABELS), rtol=1e-6)


def test_logits_of_another_shape() -> None:
    with pytest.raises(ArgumentError) as caught:
        Objective()(OUT[:, 1:], LABELS)
    assert str(caught.value) == (
        "train: labels.shape=(4, 5, 6) is not that of the logits (4, 4, 6, 3) without classes; "
        "pass one label for each position of the output."
    )
