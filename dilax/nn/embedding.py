"""Tables of vectors."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from ..ops.arguments import is_integer
from .checks import positive, stream
from .initial import normal


class Embedding(nnx.Module):
    """Looks vectors up in a learned table.

    Args:
        num_embeddings: Vectors in the table.
        embedding_dim: Entries of each.
        padding_idx: Index of a vector that begins at 0 and has no gradient; from the end if negative.
        dtype: Dtype of the table.
        compute_dtype: Dtype of the result; that of the table if None.
        rngs: Where the initial values come from.

    Attributes:
        embedding: ``(num_embeddings, embedding_dim)``, PyTorch's ``weight``.

    Raises:
        ArgumentError: A size is below 1, ``padding_idx`` is not in the table, or the input holds no integers.

    Differs from PyTorch: an index outside the table gives a vector of NaN, because a compiled program cannot raise;
    there is no ``max_norm``, which changes the table in the forward pass, and no ``scale_grad_by_freq`` or ``sparse``.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        positive("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        stream("Embedding", rngs, "params")
        if padding_idx is not None and not (
            is_integer(padding_idx) and -num_embeddings <= padding_idx < num_embeddings
        ):
            raise ArgumentError(
                "Embedding", "padding_idx", padding_idx, f"is not in a table of num_embeddings={num_embeddings}",
                "pass the index of a vector, or None",
            )  # fmt: skip
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.compute_dtype = compute_dtype
        table = normal(rngs, (num_embeddings, embedding_dim), dtype)
        self.embedding = nnx.Param(table if self.padding_idx is None else table.at[self.padding_idx].set(0))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map indices of any shape to ``(*shape, embedding_dim)``."""
        if not jnp.issubdtype(x.dtype, jnp.integer):
            raise ArgumentError("Embedding", "x", x.dtype, "is no dtype of integers", "pass indices, e.g. of int32")
        table = self.embedding[...]
        table = table if self.compute_dtype is None else table.astype(self.compute_dtype)
        # A negative index, which JAX counts from the end, becomes one that is outside.
        vectors = jnp.take(table, jnp.where(x < 0, self.num_embeddings, x), axis=0, mode="fill", fill_value=jnp.nan)
        if self.padding_idx is None:
            return vectors
        return jnp.where((x == self.padding_idx)[..., None], jax.lax.stop_gradient(vectors), vectors)
