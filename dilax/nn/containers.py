"""Modules made of modules, with the paths that PyTorch's containers have."""

from collections.abc import Iterable
from typing import Any

import jax
from flax import nnx


class Sequential(nnx.List[Any]):
    """Modules called one after the other.

    Its paths are PyTorch's: the kernel of the third module is ``2.kernel``, as in ``torch.nn.Sequential``.
    (``flax.nnx.Sequential`` puts ``layers.`` before it.)

    Args:
        modules: Modules or functions of one array, in order.
    """

    def __init__(self, modules: Iterable[Any] = ()) -> None:
        super().__init__(modules)

    def __call__(self, x: jax.Array) -> jax.Array:
        for module in self:
            x = module(x)
        return x
