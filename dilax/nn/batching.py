"""Single samples where a layer expects a batch of them."""

from collections.abc import Callable
from typing import Any

import jax

from ..errors import ArgumentError


def batched(layer: str, axes: int, apply: Callable[[jax.Array], Any], x: jax.Array) -> Any:
    """What ``apply`` gives for ``x``, which has a batch axis or, for one sample, none.

    Args:
        layer: Who asks, for the message.
        axes: Number of spatial axes.
        apply: Maps ``(N, *spatial, C)`` to arrays with a batch axis.
        x: ``(N, *spatial, C)`` or ``(*spatial, C)``.

    Raises:
        ArgumentError: ``x`` has neither number of axes.
    """
    if x.ndim == axes + 2:
        return apply(x)
    if x.ndim == axes + 1:
        return jax.tree.map(lambda y: y[0], apply(x[None]))
    raise ArgumentError(
        layer, "x", x.shape, f"does not have {axes} spatial axes",
        f"pass (N, *spatial, C) or (*spatial, C), which is an array of {axes + 2} or {axes + 1} axes",
    )  # fmt: skip


def axes_of(layer: str, argument: str, value: Any, *, example: str) -> int:
    """How many spatial axes a layer has: the length of a tuple.

    Args:
        layer: Who asks, for the message.
        argument: The argument's name, for the message.
        value: What was passed.
        example: A tuple that would do, as it is written.

    Raises:
        ArgumentError: ``value`` is no sequence of 1 to 3.
    """
    if not isinstance(value, tuple | list) or not 1 <= len(value) <= 3:
        raise ArgumentError(
            layer, argument, value, "does not say how many spatial axes there are",
            f"pass one size for each of 1 to 3 axes, e.g. {example}",
        )  # fmt: skip
    return len(value)
