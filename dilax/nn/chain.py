"""Layers that are attributes of one module and run one after the other, as in networks without containers."""

from collections.abc import Iterable, Mapping

import jax
from flax import nnx


def attach(module: nnx.Module, layers: Mapping[str, nnx.Module]) -> tuple[str, ...]:
    """Make each layer an attribute of ``module`` under its name; gives the names, in order."""
    for name, layer in layers.items():
        setattr(module, name, layer)
    return tuple(layers)


def run(module: nnx.Module, names: Iterable[str], x: jax.Array) -> jax.Array:
    """Put ``x`` through the attributes of ``module`` that have these names, in order."""
    for name in names:
        x = getattr(module, name)(x)
    return x
