"""Layers of transformers, and stacks of them."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import ArgumentError
from .attention import MultiheadAttention
from .checks import number, positive, share, stream
from .dropout import Dropout
from .layer_normalization import LayerNorm
from .linear import Linear

Activation = Literal["relu", "gelu"] | Callable[[jax.Array], jax.Array]


def _activation(layer: str, activation: Activation) -> Callable[[jax.Array], jax.Array]:
    if activation == "relu":
        return lambda x: jnp.where(x <= 0, 0, x)
    if activation == "gelu":
        return lambda x: jax.nn.gelu(x, approximate=False)
    if not callable(activation):
        raise ArgumentError(
            layer, "activation", activation, "is unknown", "pass 'relu', 'gelu' or a function of an array"
        )
    return activation


def _check(
    layer: str, d_model: int, nhead: int, dim_feedforward: int, dropout: float, layer_norm_eps: float, rngs: nnx.Rngs
) -> None:
    """The checks of the layers within, under the names that this layer's arguments have."""
    positive(layer, d_model=d_model, nhead=nhead, dim_feedforward=dim_feedforward)
    share(layer, "dropout", dropout)
    number(layer, layer_norm_eps=layer_norm_eps)
    stream(layer, rngs, "params")
    if d_model % nhead:
        raise ArgumentError(layer, "nhead", nhead, f"does not divide d_model={d_model}", "pass a divisor")


class _Block(nnx.Module):
    """What both kinds of layer share: a position-wise network, and the order of norm and sum."""

    norm_first: bool
    activation: Callable[[jax.Array], jax.Array]
    linear1: Linear
    linear2: Linear
    dropout: Dropout

    def _feed(self, x: jax.Array) -> jax.Array:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _add(
        self, x: jax.Array, block: Callable[[jax.Array], jax.Array], norm: LayerNorm, dropout: Dropout
    ) -> jax.Array:
        """``x`` and what a block makes of it, normalised before or after."""
        return x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))


class TransformerEncoderLayer(_Block):
    """Self-attention and a position-wise network, with the semantics of ``torch.nn.TransformerEncoderLayer``.

    Args:
        d_model: Entries of each step.
        nhead: Heads; divides ``d_model``.
        dim_feedforward: Hidden entries of the network.
        dropout: Share dropped in training of attention weights, of hidden entries, and of each block's output.
        activation: ``"relu"``, ``"gelu"``, or a function of an array.
        layer_norm_eps: Added to the variances.
        batch_first: Whether sequences are ``(N, L, d_model)`` instead of ``(L, N, d_model)``.
        norm_first: Whether blocks get normalised inputs, instead of sums being normalised.
        bias: Whether linear maps and normalisations have biases.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds inputs and parameters.
        rngs: Where initial values and masks come from.

    Attributes:
        self_attn: The attention.
        linear1: First map of the network; ``linear2``: the second.
        norm1: Normalisation of the attention block; ``norm2``: of the network.

    Raises:
        ArgumentError: An argument is out of range.

    Source: Vaswani et al., "Attention Is All You Need", 2017.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        *,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        _check("TransformerEncoderLayer", d_model, nhead, dim_feedforward, dropout, layer_norm_eps, rngs)
        shared: dict[str, Any] = {"bias": bias, "dtype": dtype, "compute_dtype": compute_dtype}
        self.norm_first = norm_first
        self.activation = _activation("TransformerEncoderLayer", activation)
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, rngs=rngs, **shared
        )
        self.linear1 = Linear(d_model, dim_feedforward, rngs=rngs, **shared)
        self.dropout = Dropout(dropout, rngs=rngs)
        self.linear2 = Linear(dim_feedforward, d_model, rngs=rngs, **shared)
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **shared)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **shared)
        self.dropout1 = Dropout(dropout, rngs=rngs)
        self.dropout2 = Dropout(dropout, rngs=rngs)

    def __call__(
        self, src: jax.Array, src_mask: jax.Array | None = None, src_key_padding_mask: jax.Array | None = None
    ) -> jax.Array:
        """Map sequences to sequences of the same shape; masks as for :class:`MultiheadAttention`."""

        def attend(x: jax.Array) -> jax.Array:
            return self.self_attn(
                x, x, x, attn_mask=src_mask, key_padding_mask=src_key_padding_mask, need_weights=False
            )[0]

        x = self._add(src, attend, self.norm1, self.dropout1)
        return self._add(x, self._feed, self.norm2, self.dropout2)


class TransformerDecoderLayer(_Block):
    """Self-attention, attention to an encoder's outputs, and a network, as ``torch.nn.TransformerDecoderLayer``.

    Args:
        d_model: Entries of each step.
        nhead: Heads; divides ``d_model``.
        dim_feedforward: Hidden entries of the network.
        dropout: Share dropped in training of attention weights, of hidden entries, and of each block's output.
        activation: ``"relu"``, ``"gelu"``, or a function of an array.
        layer_norm_eps: Added to the variances.
        batch_first: Whether sequences are ``(N, L, d_model)`` instead of ``(L, N, d_model)``.
        norm_first: Whether blocks get normalised inputs, instead of sums being normalised.
        bias: Whether linear maps and normalisations have biases.
        dtype: Dtype of the parameters.
        compute_dtype: Dtype to compute in; if None, the smallest that holds inputs and parameters.
        rngs: Where initial values and masks come from.

    Attributes:
        self_attn: The attention to the sequence itself; ``multihead_attn``: to the encoder's outputs.
        linear1: First map of the network; ``linear2``: the second.
        norm1: Normalisation of the first block; ``norm2`` and ``norm3``: of the others.

    Raises:
        ArgumentError: An argument is out of range.

    Source: Vaswani et al., "Attention Is All You Need", 2017.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        *,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = jnp.float32,
        compute_dtype: Any = None,
        rngs: nnx.Rngs,
    ) -> None:
        _check("TransformerDecoderLayer", d_model, nhead, dim_feedforward, dropout, layer_norm_eps, rngs)
        shared: dict[str, Any] = {"bias": bias, "dtype": dtype, "compute_dtype": compute_dtype}
        attention: dict[str, Any] = shared | {"dropout": dropout, "batch_first": batch_first, "rngs": rngs}
        self.norm_first = norm_first
        self.activation = _activation("TransformerDecoderLayer", activation)
        self.self_attn = MultiheadAttention(d_model, nhead, **attention)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **attention)
        self.linear1 = Linear(d_model, dim_feedforward, rngs=rngs, **shared)
        self.dropout = Dropout(dropout, rngs=rngs)
        self.linear2 = Linear(dim_feedforward, d_model, rngs=rngs, **shared)
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **shared)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **shared)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, **shared)
        self.dropout1 = Dropout(dropout, rngs=rngs)
        self.dropout2 = Dropout(dropout, rngs=rngs)
        self.dropout3 = Dropout(dropout, rngs=rngs)

    def __call__(
        self,
        tgt: jax.Array,
        memory: jax.Array,
        tgt_mask: jax.Array | None = None,
        memory_mask: jax.Array | None = None,
        tgt_key_padding_mask: jax.Array | None = None,
        memory_key_padding_mask: jax.Array | None = None,
    ) -> jax.Array:
        """Map sequences and an encoder's outputs to sequences; masks as for :class:`MultiheadAttention`."""

        def attend(x: jax.Array) -> jax.Array:
            return self.self_attn(
                x, x, x, attn_mask=tgt_mask, key_padding_mask=tgt_key_padding_mask, need_weights=False
            )[0]

        def look(x: jax.Array) -> jax.Array:
            return self.multihead_attn(
                x, memory, memory, attn_mask=memory_mask, key_padding_mask=memory_key_padding_mask, need_weights=False
            )[0]

        x = self._add(tgt, attend, self.norm1, self.dropout1)
        x = self._add(x, look, self.norm2, self.dropout2)
        return self._add(x, self._feed, self.norm3, self.dropout3)


class TransformerEncoder(nnx.Module):
    """Encoder layers one after the other.

    Args:
        layers: The layers, in order.
        norm: A normalisation of the result, or None.

    Differs from PyTorch: takes the layers, not one to be copied, because copies would begin with equal numbers and drop
    the same entries.
    """

    def __init__(self, layers: Iterable[Any], *, norm: Any = None) -> None:
        self.layers = nnx.List(layers)
        self.norm = nnx.data(norm)

    def __call__(
        self, src: jax.Array, mask: jax.Array | None = None, src_key_padding_mask: jax.Array | None = None
    ) -> jax.Array:
        """Map sequences to sequences of the same shape; masks as for :class:`MultiheadAttention`."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(nnx.Module):
    """Decoder layers one after the other.

    Args:
        layers: The layers, in order.
        norm: A normalisation of the result, or None.

    Differs from PyTorch: takes the layers, not one to be copied, because copies would begin with equal numbers and drop
    the same entries.
    """

    def __init__(self, layers: Iterable[Any], *, norm: Any = None) -> None:
        self.layers = nnx.List(layers)
        self.norm = nnx.data(norm)

    def __call__(
        self,
        tgt: jax.Array,
        memory: jax.Array,
        tgt_mask: jax.Array | None = None,
        memory_mask: jax.Array | None = None,
        tgt_key_padding_mask: jax.Array | None = None,
        memory_key_padding_mask: jax.Array | None = None,
    ) -> jax.Array:
        """Map sequences and an encoder's outputs to sequences; masks as for :class:`MultiheadAttention`."""
        for layer in self.layers:
            tgt = layer(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(nnx.Module):
    """An encoder and a decoder.

    Args:
        encoder: A :class:`TransformerEncoder`.
        decoder: A :class:`TransformerDecoder`.

    Differs from PyTorch: takes the two stacks, not the arguments of their layers.

    Source: Vaswani et al., "Attention Is All You Need", 2017.
    """

    def __init__(self, encoder: TransformerEncoder, decoder: TransformerDecoder) -> None:
        self.encoder, self.decoder = encoder, decoder

    def __call__(
        self,
        src: jax.Array,
        tgt: jax.Array,
        src_mask: jax.Array | None = None,
        tgt_mask: jax.Array | None = None,
        memory_mask: jax.Array | None = None,
        src_key_padding_mask: jax.Array | None = None,
        tgt_key_padding_mask: jax.Array | None = None,
        memory_key_padding_mask: jax.Array | None = None,
    ) -> jax.Array:
        """Map source and target sequences to sequences shaped as the target; masks as for MultiheadAttention."""
        memory = self.encoder(src, src_mask, src_key_padding_mask)
        return self.decoder(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
