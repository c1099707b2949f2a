"""A model that compiles in a moment and has all that a checkpoint must hold."""

import jax
import pytest
from flax import nnx


class Tiny(nnx.Module):
    """Convolution, batch statistics, dropout, convolution."""

    def __init__(self, channels: int = 4, *, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.first = nnx.Conv(1, channels, (3, 3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(channels, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.last = nnx.Conv(channels, 3, (1, 1, 1), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(self.dropout(jax.nn.relu(self.norm(self.first(x)))))


@pytest.fixture
def tiny() -> type[Tiny]:
    return Tiny
