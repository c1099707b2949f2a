"""Dropout of whole channels."""

import jax
from flax import nnx


class FeatureDropout(nnx.Module):
    """Drops whole channels of each sample in training and scales the others, as ``torch.nn.Dropout3d``.

    Neighbouring samples of a feature map say nearly the same, so dropping them one by one drops no information.

    Args:
        p: Share of channels to drop, from 0 to 1.
        rngs: Where the masks come from; their state is part of the module's.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """

    def __init__(self, p: float, *, rngs: nnx.Rngs) -> None:
        self.dropout = nnx.Dropout(p, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map ``(N, *spatial, C)`` to the same shape."""
        spatial = range(1, x.ndim - 1)
        ones = jax.numpy.ones((x.shape[0], *(1 for _ in spatial), x.shape[-1]), x.dtype)
        return x * self.dropout(ones)
