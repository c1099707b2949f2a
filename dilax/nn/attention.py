"""Multi-head attention."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from .checks import last_axis, positive, share, stream
from .dropout import dropout as drop
from .dtypes import promote
from .initial import glorot, normal
from .linear import Linear


class MultiheadAttention(nnx.Module):
    """Scaled dot-product attention of several heads, with the semantics of ``torch.nn.MultiheadAttention``.

    Args:
        embed_dim: Entries of queries and outputs.
        num_heads: Heads; divides ``embed_dim``.
        dropout: Share of the attention weights dropped in training.
        bias: Whether the projections have biases.
        add_bias_kv: Whether a learned key and value are put after the others.
        add_zero_attn: Whether a key and value of zeros are put after the others.
        kdim: Entries of keys; ``embed_dim`` if None.
        vdim: Entries of values; ``embed_dim`` if None.
        batch_first: Whether sequences are ``(N, L, embed_dim)`` instead of ``(L, N, embed_dim)``.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds inputs and parameters.
        rngs: Where initial values and masks come from.

    Attributes:
        in_proj_weight: ``(3 * embed_dim, embed_dim)`` in PyTorch's layout; None where ``kdim`` or ``vdim`` differ.
        q_proj_weight: ``(embed_dim, embed_dim)``, ``k_proj_weight``: ``(embed_dim, kdim)`` and ``v_proj_weight``:
            ``(embed_dim, vdim)`` in PyTorch's layout; None elsewhere.
        in_proj_bias: ``(3 * embed_dim,)``, or None.
        bias_k: ``(1, 1, embed_dim)``, and ``bias_v`` alike, or None.
        out_proj: The :class:`Linear` after the heads.

    Raises:
        ArgumentError: ``num_heads`` does not divide ``embed_dim``, another argument is out of range, the shapes of
            inputs and masks do not belong together, or ``is_causal`` comes without its mask.

    Source: Vaswani et al., "Attention Is All You Need", 2017.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        name = "MultiheadAttention"
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        positive(name, embed_dim=embed_dim, num_heads=num_heads, kdim=self.kdim, vdim=self.vdim)
        share(name, "dropout", dropout)
        stream(name, rngs, "params")
        if embed_dim % num_heads:
            raise ArgumentError(
                name, "num_heads", num_heads, f"does not divide embed_dim={embed_dim}", "pass a divisor"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.add_zero_attn, self.batch_first, self.compute_dtype = add_zero_attn, batch_first, compute_dtype
        self.deterministic = False

        def matrix(present: bool, rows: int, columns: int) -> nnx.Param[jax.Array] | None:
            return nnx.Param(glorot(rngs, (rows, columns), dtype)) if present else None

        def vector() -> nnx.Param[jax.Array] | None:
            return nnx.Param(normal(rngs, (1, 1, embed_dim), dtype, embed_dim**-0.5)) if add_bias_kv else None

        one = self.kdim == self.vdim == embed_dim
        self.in_proj_weight = matrix(one, 3 * embed_dim, embed_dim)
        self.q_proj_weight = matrix(not one, embed_dim, embed_dim)
        self.k_proj_weight = matrix(not one, embed_dim, self.kdim)
        self.v_proj_weight = matrix(not one, embed_dim, self.vdim)
        self.in_proj_bias = nnx.Param(jnp.zeros(3 * embed_dim, dtype)) if bias else None
        self.bias_k, self.bias_v = vector(), vector()
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype, compute_dtype=compute_dtype, rngs=rngs)
        if self.out_proj.bias is not None:
            self.out_proj.bias[...] = jnp.zeros(embed_dim, dtype)
        self.rngs = stream(name, rngs, "dropout").fork() if dropout else None

    def __call__(
        self,
        query: jax.Array,
        key: jax.Array,
        value: jax.Array,
        *,
        key_padding_mask: jax.Array | None = None,
        need_weights: bool = True,
        attn_mask: jax.Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[jax.Array, jax.Array | None]:
        """Attend.

        Args:
            query: ``(L, N, embed_dim)``, ``(N, L, embed_dim)`` if ``batch_first``, or ``(L, embed_dim)``.
            key: Alike, ``S`` long, with ``kdim`` entries.
            value: Alike, ``S`` long, with ``vdim`` entries.
            key_padding_mask: ``(N, S)`` or ``(S,)``; True, or minus infinity to be added, at keys to ignore.
            need_weights: Whether to give the attention weights too.
            attn_mask: ``(L, S)`` or ``(N * num_heads, L, S)``; True, or numbers to be added, alike.
            average_attn_weights: Whether the weights are averaged over the heads.
            is_causal: Says that ``attn_mask`` is the causal one; changes nothing, as the mask is applied.

        Returns:
            The outputs, shaped as ``query``, and the weights ``(N, L, S)``, or ``(N, num_heads, L, S)`` if not
            averaged, or None.
        """
        if is_causal and attn_mask is None:
            raise ArgumentError(
                "MultiheadAttention", "is_causal", is_causal, "comes without attn_mask", "pass the causal mask too"
            )
        batched = self._check(query, key, value)
        if not batched:
            query, key, value = query[None], key[None], value[None]
        elif not self.batch_first:
            query, key, value = (jnp.swapaxes(x, 0, 1) for x in (query, key, value))
        q, k, v = self._project(query, key, value)
        added = k.shape[1] - key.shape[1] + self.add_zero_attn
        mask = self._mask(query, key, key_padding_mask, attn_mask, added, q.dtype)
        q, k, v = (jnp.swapaxes(x.reshape(*x.shape[:2], self.num_heads, -1), 1, 2) for x in (q, k, v))
        if self.add_zero_attn:
            k, v = (jnp.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0))) for x in (k, v))
        scores = q * math.sqrt(1 / q.shape[-1]) @ jnp.swapaxes(k, -1, -2)
        weights = self._weights(scores, mask, need_weights)
        output = jnp.swapaxes(weights @ v, 1, 2).reshape(query.shape)
        output = self.out_proj(output)
        output = output[0] if not batched else output if self.batch_first else jnp.swapaxes(output, 0, 1)
        if not need_weights:
            return output, None
        weights = weights.mean(1) if average_attn_weights else weights
        return output, weights if batched else weights[0]

    def _check(self, query: jax.Array, key: jax.Array, value: jax.Array) -> bool:
        """Whether the inputs, which belong together, are batches."""
        name = "MultiheadAttention"
        for x, size, meaning in (
            (query, self.embed_dim, "embed_dim"),
            (key, self.kdim, "kdim"),
            (value, self.vdim, "vdim"),
        ):
            last_axis(name, x, size, meaning)
        if query.ndim not in (2, 3) or key.ndim != query.ndim:
            raise ArgumentError(
                name, "query", query.shape, f"with key={key.shape} are no sequences",
                "pass all three with 3 axes, or without a batch with 2",
            )  # fmt: skip
        if key.shape[:-1] != value.shape[:-1]:
            raise ArgumentError(
                name, "value", value.shape, f"is not as long as key={key.shape}", "pass a value for each key"
            )
        batch = 0 if self.batch_first else 1
        if query.ndim == 3 and query.shape[batch] != key.shape[batch]:
            raise ArgumentError(
                name, "key", key.shape, f"has another batch than query={query.shape}", "pass batches of one size"
            )
        return query.ndim == 3

    def _project(self, query: jax.Array, key: jax.Array, value: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Queries, keys and values of all heads, ``(N, length, embed_dim)``, with the learned key and value."""
        if self.in_proj_weight is not None:
            matrices = jnp.split(self.in_proj_weight[...], 3)
        else:
            separate = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            matrices = [weight[...] for weight in separate if weight is not None]
        bias = None if self.in_proj_bias is None else self.in_proj_bias[...]
        query, key, value, bias, *matrices = promote(self.compute_dtype, query, key, value, bias, *matrices)
        projected = [x @ matrix.T for x, matrix in zip((query, key, value), matrices, strict=True)]
        if bias is not None:
            projected = [x + part for x, part in zip(projected, jnp.split(bias, 3), strict=True)]
        q, k, v = projected
        if self.bias_k is not None and self.bias_v is not None:
            shape = (k.shape[0], 1, self.embed_dim)
            k = jnp.concatenate([k, jnp.broadcast_to(self.bias_k[...], shape).astype(k.dtype)], 1)
            v = jnp.concatenate([v, jnp.broadcast_to(self.bias_v[...], shape).astype(v.dtype)], 1)
        return q, k, v

    def _mask(
        self,
        query: jax.Array,
        key: jax.Array,
        key_padding_mask: jax.Array | None,
        attn_mask: jax.Array | None,
        added: int,
        dtype: Any,
    ) -> jax.Array | None:
        """What to add to the scores ``(N, heads, L, S + added)``, or None."""
        (batch, length), size = query.shape[:2], key.shape[1]
        total: jax.Array | None = None
        if attn_mask is not None:
            shapes = ((length, size), (batch * self.num_heads, length, size))
            if attn_mask.shape not in shapes:
                raise ArgumentError(
                    "MultiheadAttention", "attn_mask", attn_mask.shape, f"is neither {shapes[0]} nor {shapes[1]}",
                    "pass (L, S) or (N * num_heads, L, S)",
                )  # fmt: skip
            total = _additive(attn_mask, dtype)
            if total.ndim == 3:
                total = total.reshape(batch, self.num_heads, length, size)
        if key_padding_mask is not None:
            if key_padding_mask.size != batch * size or key_padding_mask.shape[-1] != size:
                raise ArgumentError(
                    "MultiheadAttention", "key_padding_mask", key_padding_mask.shape, f"is not {(batch, size)}",
                    "pass (N, S), or (S,) without a batch",
                )  # fmt: skip
            padding = _additive(key_padding_mask, dtype).reshape(batch, 1, 1, size)
            total = padding if total is None else total + padding
        return None if total is None else jnp.pad(total, [(0, 0)] * (total.ndim - 1) + [(0, added)])

    def _weights(self, scores: jax.Array, mask: jax.Array | None, need_weights: bool) -> jax.Array:
        """Softmax of the scores, with dropout."""
        weights = jax.nn.softmax(scores if mask is None else scores + mask, -1)
        if mask is not None and not need_weights:
            # Where PyTorch does not give the weights, a query that may attend to nothing gets 0 instead of NaN.
            weights = jnp.where((mask == -jnp.inf).all(-1, keepdims=True), 0, weights)
        if self.rngs is not None and not self.deterministic:
            weights = drop(weights, self.rngs, self.dropout)
        return weights


def _additive(mask: jax.Array, dtype: Any) -> jax.Array:
    """Minus infinity where a mask of booleans is True; a mask of numbers as it is."""
    if mask.dtype == jnp.bool_:
        return jnp.where(mask, -jnp.inf, 0).astype(dtype)
    return mask.astype(dtype)
