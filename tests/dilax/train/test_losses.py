import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dilax.train import cross_entropy


def _oracle(logits: np.ndarray, labels: np.ndarray) -> float:
    """The definition, one sample at a time, in float64 and shifted so that nothing overflows."""
    rows = logits.astype(np.float64).reshape(-1, logits.shape[-1])
    total = 0.0
    for row, label in zip(rows, labels.ravel(), strict=True):
        shifted = row - row.max()
        total += np.log(sum(np.exp(value) for value in shifted)) - shifted[label]
    return total / len(rows)


@pytest.mark.parametrize("scale", [0.1, 10.0, 1e4])
def test_value_and_gradient(scale: float) -> None:
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(2, 3, 4, 5, 7)) * scale).astype(np.float32)
    labels = rng.integers(7, size=(2, 3, 4, 5))
    value, gradient = jax.value_and_grad(cross_entropy)(logits, labels)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, _oracle(logits, labels), rtol=2e-6)
    step, direction = 1e-5 * scale, rng.normal(size=logits.shape)
    wide = logits.astype(np.float64)
    slope = _oracle(wide + step * direction, labels) - _oracle(wide - step * direction, labels)
    expected = slope / (2 * step)
    assert abs(np.vdot(gradient, direction) - expected) < 1e-4 * (1 + abs(expected))


def test_half_precision_is_averaged_in_single() -> None:
    rng = np.random.default_rng(1)
    logits = jnp.asarray(rng.normal(size=(50_000, 3)), jnp.bfloat16)
    labels = rng.integers(3, size=50_000)
    value = cross_entropy(logits, labels)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, _oracle(np.asarray(logits), labels), rtol=1e-5)
