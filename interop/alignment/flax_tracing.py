"""Trace a Flax model once, read off its jaxpr which layer feeds which, and run it with any numbers."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.core.tracers import current_trace

from ..rules import entries, layers
from ..verification.flax_side import cast
from .graph import Graph, Node
from .jaxpr import Flow
from .layers import Layer, flax_layers, holders
from .tracing import Array, Values, arrays_in, graph_of, size_of

_SCOPE = re.compile(r"align:(\d+):")


class FlaxTrace:
    """A Flax model in float64 and evaluation mode, traced and compiled once.

    Args:
        model: The model; not changed.
        inputs: Its arguments.

    Attributes:
        layers: Its layers in order of definition.
        order: Their places in order of execution, those that did not run last.
        graph: Which feeds which.
        number_results: How many arrays the model returns.
        copy: The model that is run.
    """

    def __init__(self, model: nnx.Module, inputs: Sequence[Array]) -> None:
        self.layers: list[Layer] = flax_layers(model)[0]  # in the user's order, which copies do not keep
        with jax.enable_x64(True):
            self.copy = _evaluated(model)
            self._entries = entries(self.copy)
            self._definition, state = nnx.split(self.copy)
            self._leaves, self._tree = jax.tree.flatten(state)
            self._inputs = [jnp.asarray(x) for x in inputs]
            traced = jax.jit(self._traced).trace(self._leaves, self._inputs)
            self._compiled = traced.lower().compile({"xla_backend_optimization_level": 0})  # a few runs at most
        flow = Flow(lambda stack: _place(str(stack)))
        # Arrays of a layer come from it too: the model may use them outside, as with an embedding and its transpose.
        sources: list[set[Node]] = [set() for _ in self._leaves]
        holding = holders(self.layers)
        for entry in self._entries:
            for slot in entry.slots:
                sources[self._places[slot.path]].update(*(holding[key] for key in entry.keys))
        sources += [{("input", i)} for i in range(len(inputs))]
        feeding = flow.run(traced.jaxpr.jaxpr, sources)
        shapes = list(traced.jaxpr.out_avals)
        results = list(zip(shapes, feeding, strict=True))[: self.number_results]
        self.order = [*dict.fromkeys([*self._calls, *range(len(self.layers))])]
        self.graph: Graph = graph_of(self.layers, self._sizes, flow.edges, results, len(inputs))

    def filled(self, arrays: Mapping[str, Array]) -> list[Any]:
        """The model's leaves with other numbers in some of them, by their keys here, in PyTorch's layout."""
        leaves = list(self._leaves)
        for entry in self._entries:
            if arrays.keys() >= set(entry.keys):
                for slot, array in entry.to_flax(arrays):
                    place = self._places[slot.path]
                    leaves[place] = np.asarray(array, leaves[place].dtype, order="C")
        return leaves

    def run(self, leaves: list[Any]) -> Values:
        """Run the model with other leaves."""
        with jax.enable_x64(True):
            results, calls = self._compiled(leaves, self._inputs)
        found: dict[int, list[Array]] = {}
        for place, output in zip(self._calls, calls, strict=True):
            found.setdefault(place, []).append(np.asarray(output))
        return Values([np.asarray(result) for result in results], found)

    def run_model(self, model: nnx.Module) -> Values:
        """Run with the numbers of a model like ``copy``."""
        return self.run(jax.tree.leaves(nnx.split(model)[1]))

    def _traced(self, leaves: list[Any], inputs: list[Any]) -> tuple[list[Any], list[Any]]:
        model = nnx.merge(self._definition, jax.tree.unflatten(self._tree, leaves))
        copies, found = flax_layers(model)
        named = {name: place for place, layer in enumerate(self.layers) for name in layer.names}
        places = {identity: named[copies[place].names[0]] for identity, place in found.items()}
        numbered = {id(leaf): place for place, leaf in enumerate(leaves)}
        self._places = {slot.path: numbered[id(slot.value)] for entry in entries(model) for slot in entry.slots}
        self._calls: list[int] = []
        self._sizes: dict[int, set[tuple[int, int]]] = {}
        outputs: list[Any] = []
        outside = current_trace()

        def called(place: int, given: Any, output: Any) -> None:
            self._sizes.setdefault(place, set()).add((size_of(given), size_of(output)))
            if current_trace() == outside:  # values of inner traces cannot leave them
                self._calls.append(place)
                outputs.append(next(arrays_in(output)))

        with _watched(model, places, called):
            results = list(arrays_in(model(*inputs)))
        self.number_results = len(results)
        return results, outputs


def _place(stack: str) -> int | None:
    found = _SCOPE.search(stack)
    return int(found[1]) if found else None


def _evaluated(model: nnx.Module) -> nnx.Module:
    """A copy in evaluation mode that computes in float64."""
    result = cast(model, jnp.float64, training=False)
    for layer in layers(result):
        if hasattr(layer.module, "param_dtype"):  # Flax's recurrent cells begin with a state of this dtype
            layer.module.param_dtype = jnp.float64
    return result


@contextmanager
def _watched(
    model: nnx.Module, places: Mapping[Hashable, int], called: Callable[[int, Any, Any], None]
) -> Iterator[None]:
    """Within, a layer's operations bear its place in their name stack, and its calls are reported."""
    types = {type(layer.module) for layer in layers(model) if id(layer.module) in places}
    originals = {kind: kind.__call__ for kind in types}
    own = {kind for kind in types if "__call__" in vars(kind)}
    running: set[int] = set()

    def watch(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if id(self) not in places or id(self) in running:  # a subclass calls the class that it is made from
                return original(self, *args, **kwargs)
            running.add(id(self))
            with jax.named_scope(f"align:{places[id(self)]}:"):
                output = original(self, *args, **kwargs)
            running.remove(id(self))
            called(places[id(self)], [args, kwargs], output)
            return output

        return call

    for kind, original in originals.items():
        kind.__call__ = watch(original)
    try:
        yield
    finally:
        for kind, original in originals.items():
            if kind in own:
                kind.__call__ = original
            else:
                del kind.__call__
