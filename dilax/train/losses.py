"""Loss functions, in float32 whatever the model computes in."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Int


def cross_entropy(logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]) -> Float32[Array, ""]:
    r"""Mean over all samples of the negative log-probability of the true class.

    .. math:: \frac{1}{n} \sum_i \Big( \log \sum_c e^{z_{ic}} - z_{i y_i} \Big)

    Args:
        logits: Floating (..., C); finite at any size.
        labels: Integers (...) from 0 to C - 1; others are not checked.

    Returns:
        The mean, float32.

    >>> import jax.numpy as jnp
    >>> float(cross_entropy(jnp.array([[1e4, 0.0]]), jnp.array([0])))
    0.0
    """
    logits = logits.astype(jnp.float32)
    # A product with one-hot vectors has a far faster gradient on the CPU than an indexed read.
    picked = jnp.sum(logits * jax.nn.one_hot(labels, logits.shape[-1], dtype=jnp.float32), axis=-1)
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - picked)
