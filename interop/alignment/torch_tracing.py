"""Run a PyTorch module and follow its tensors from layer to layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .graph import Edges, Graph, Node
from .layers import Layer, holders, torch_layers
from .tracing import Array, Values, arrays_in, graph_of, size_of


@dataclass(frozen=True)
class TorchTrace:
    """A run of a PyTorch module.

    Attributes:
        layers: Its layers in order of definition.
        order: Their places in order of execution, those that did not run last.
        graph: Which feeds which.
        values: The numbers.
    """

    layers: list[Layer]
    order: list[int]
    graph: Graph
    values: Values

    @property
    def not_run(self) -> tuple[str, ...]:
        """Names of the layers that did not run and of the arrays that nothing read."""
        successors = self.graph.successors
        return tuple(
            name
            for place in self.order
            if place not in self.values.layers and not successors[place]
            for name in self.layers[place].names
        )


def trace_torch(module: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> TorchTrace:
    """Run a module as it is, in its own mode.

    Args:
        module: The module.
        inputs: Its arguments.
    """
    layers, places = torch_layers(module)
    flow = _Flow()
    holding = holders(layers)
    for key, tensor in module.state_dict(keep_vars=True).items():
        flow.give(tensor, set(holding[key]))
    for index, tensor in enumerate(inputs):
        flow.give(tensor, {("input", index)})
    calls = _Calls(flow)
    handles = [
        handle for child in module.modules() if id(child) in places for handle in calls.watch(child, places[id(child)])
    ]
    try:
        # Where gradients are wanted transformers call their layers, and not one operation that does all their work.
        with torch.enable_grad(), flow:
            outputs = list(arrays_in(module(*inputs)))
    finally:
        for handle in handles:
            handle.remove()
    results = [(output, flow.sources(output)) for output in outputs]
    order = [*dict.fromkeys([*calls.outputs, *range(len(layers))])]
    graph = graph_of(layers, calls.sizes, flow.edges, results, len(inputs))
    return TorchTrace(layers, order, graph, Values([output.numpy(force=True) for output in outputs], calls.outputs))


class _Calls:
    """Outputs and sizes of the layers' calls, and which layer is running."""

    def __init__(self, flow: "_Flow") -> None:
        self.flow = flow
        self.outputs: dict[int, list[Array]] = {}
        self.sizes: dict[int, set[tuple[int, int]]] = {}

    def watch(self, child: torch.nn.Module, place: int) -> list[Any]:
        """Watch one layer; returns the hooks' handles."""
        return [
            child.register_forward_pre_hook(self._entering(place)),
            child.register_forward_hook(self._leaving(place), with_kwargs=True),
        ]

    def _entering(self, place: int) -> Callable[..., None]:
        def hook(_module: Any, _args: Any) -> None:
            self.flow.running = place

        return hook

    def _leaving(self, place: int) -> Callable[..., None]:
        def hook(_module: Any, args: Any, kwargs: Any, output: Any) -> None:
            self.flow.running = None
            self.sizes.setdefault(place, set()).add((size_of([args, kwargs]), size_of(output)))
            first = next(arrays_in(output))
            self.outputs.setdefault(place, []).append(first.numpy(force=True).copy())

        return hook


class _Flow(TorchDispatchMode):
    """Within, every operation passes on where its operands come from.

    A tensor is known by its memory, so that views of it, and changes in place, count. What a running layer computes
    comes from that layer alone, and what it reads from others are its edges.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running: int | None = None
        self.edges: Edges = {}
        self._sources: dict[int, set[Node]] = {}
        self._kept: list[torch.Tensor] = []  # freed memory would be used again, for another tensor

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # True, torch's default, imports torch's compiler, which takes seconds

    def give(self, tensor: torch.Tensor, sources: set[Node]) -> None:
        """Add to where a tensor comes from."""
        self._kept.append(tensor)
        if tensor.numel():  # those without numbers have all one address
            self._sources.setdefault(_address(tensor), set()).update(sources)

    def sources(self, value: Any) -> set[Node]:
        """Where the tensors in a value come from."""
        found: set[Node] = set()
        for tensor in arrays_in(value):
            found |= self._sources.get(_address(tensor), set()) if tensor.numel() else set()
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        sources = self.sources([args, kwargs])
        result = func(*args, **kwargs)
        name = func.name().removeprefix("aten::")
        if name.startswith(("new_", "empty")) or "_like" in name:  # they read a shape and no number
            sources = set()
        if self.running is not None:
            self.edges.setdefault(self.running, set()).update(sources - {self.running})
            sources = {self.running}
        before = {_address(tensor) for tensor in arrays_in([args, kwargs])}
        changes = func._schema.is_mutable
        for tensor in arrays_in(result):
            if changes or _address(tensor) not in before:
                self.give(tensor, sources)
        return result


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
