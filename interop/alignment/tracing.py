"""What a run of a model tells: its layers' order, outputs and data flow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .graph import Edges, Graph, Node
from .layers import Layer

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Values:
    """The numbers of one run.

    Attributes:
        results: What the model returned.
        layers: The output of each call of each layer, by the layer's place.
    """

    results: list[Array]
    layers: dict[int, list[Array]]


def arrays_in(value: Any) -> Iterator[Any]:
    """The arrays in a value of whatever nesting, mappings in the order of their keys."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from arrays_in(value[key])
    elif isinstance(value, tuple | list):
        for one in value:
            yield from arrays_in(one)
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        yield value


def size_of(value: Any) -> int:
    """Entries of the first array in a value, 0 if there is none: the layouts on both sides may differ."""
    return next((int(np.prod(array.shape)) for array in arrays_in(value)), 0)


def graph_of(
    layers: Sequence[Layer],
    sizes: Mapping[int, set[tuple[int, int]]],
    edges: Edges,
    results: Sequence[tuple[Any, set[Node]]],
    inputs: int,
) -> Graph:
    """The data flow of a run.

    Args:
        layers: The model's layers.
        sizes: Sizes of input and output in the calls of each layer.
        edges: The nodes that feed each layer.
        results: What the model returned, and the nodes that feed it.
        inputs: How many inputs it has.
    """
    labels: dict[Node, Any] = {place: layer.label for place, layer in enumerate(layers)}
    labels |= {("input", i): ("input", i) for i in range(inputs)}
    labels |= {("output", i): ("output", i) for i in range(len(results))}
    feeding = edges | {("output", i): sources for i, (_, sources) in enumerate(results)}
    known: dict[Node, Any] = {place: tuple(sorted(found)) for place, found in sizes.items()}
    known |= {("output", i): size_of(value) for i, (value, _) in enumerate(results)}
    return Graph(
        labels,
        {node: known.get(node, ()) for node in labels},
        {node: frozenset(feeding.get(node, ())) for node in labels},
    )
