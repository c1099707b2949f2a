"""Options of PyTorch's layers that have no equal."""

from typing import Any

from dilax.errors import ArgumentError


def refuse(layer: Any, **defaults: Any) -> None:
    """Raise an ArgumentError for the first attribute of a PyTorch layer that is not at the only value we know."""
    for name, default in defaults.items():
        value = getattr(layer, name)
        if value is not default and value != default:
            raise ArgumentError(
                "from_torch", name, value, f"of {type(layer).__name__} has no equal in Flax",
                f"make the layer with {name}={default!r}",
            )  # fmt: skip
