"""One run of the PyTorch module, seen from inside: every module's outputs, and gradients and statistics on demand."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..arrays import to_numpy
from ..reparametrizing import layer_type
from .layouts import Array
from .nesting import call_name, parts


@dataclass
class Call:
    """One call of a module.

    Attributes:
        path: The module's path.
        index: The how manieth call it is, from 1.
        module: The module.
        arrays: Its outputs by place, as they were when the call ended: what follows may change them in place.
        tensors: The very tensors, whose identity says which names one array has.
        args: Its arguments, if they were asked for, as they were when the call began.
        kwargs: Alike.
        given: The tensors among the arguments themselves.
    """

    path: str
    index: int
    module: torch.nn.Module
    arrays: dict[str, Array]
    tensors: dict[str, torch.Tensor]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    given: list[torch.Tensor] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name in a report."""
        return call_name(self.path, self.index)

    @property
    def kind(self) -> str:
        """Type of the module."""
        return layer_type(self.module).__name__


@dataclass
class Run:
    """One run of a module: its calls by name in the order in which they ended, and what has a gradient."""

    calls: dict[str, Call]
    outputs: dict[str, torch.Tensor]
    inputs: list[torch.Tensor]

    def gradients(self, module: torch.nn.Module, directions: Mapping[str, Array]) -> dict[str, Array]:
        """Gradients of the sum of all outputs times ``directions``, of parameters by name and inputs by number."""
        total = _functional(self.outputs, directions)
        named: dict[str, torch.Tensor] = {
            name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad
        }
        named |= {f"input {index}": x for index, x in enumerate(self.inputs) if x.is_floating_point()}
        if not (torch.is_tensor(total) and total.requires_grad):
            return {}
        found = torch.autograd.grad(total, list(named.values()), allow_unused=True)
        zeros = (torch.zeros_like(one) for one in named.values())
        return {
            name: to_numpy(zero if slope is None else slope)
            for name, slope, zero in zip(named, found, zeros, strict=True)
        }


class TorchSide:
    """A copy of a module in one dtype and mode, which begins each run with the same statistics.

    Args:
        module: The module; is not changed.
        dtype: Dtype of its floating arrays.
        training: Whether it is in training mode.
    """

    def __init__(self, module: torch.nn.Module, dtype: torch.dtype, *, training: bool) -> None:
        self.module, self._dtype = copied(module).to(dtype), dtype
        self.module.train(training)
        self._buffers = {name: buffer.clone() for name, buffer in self.module.named_buffers()}

    def run(self, inputs: list[Array], *, graph: bool = False, arguments: bool = False) -> Run:
        """Run the module on arrays in PyTorch's layout.

        Args:
            inputs: Its inputs.
            graph: Whether gradients will be asked for.
            arguments: Whether to keep each call's arguments.
        """
        self.restore()
        tensors = tensors_of(self.module, inputs, gradients=graph)
        calls: dict[str, Call] = {}
        with torch.set_grad_enabled(graph), exact(), _watched(self.module, calls, arguments):
            # A module may change its input in place, which a leaf with a gradient forbids.
            output = self.module(*(tensor.clone() if graph else tensor for tensor in tensors))
        return Run(calls, dict(parts(output, torch.Tensor)), tensors)

    def statistics(self) -> dict[str, Array]:
        """Buffers of the state_dict after the last run."""
        kept = self.module.state_dict()
        return {name: to_numpy(buffer).copy() for name, buffer in self.module.named_buffers() if name in kept}

    def restore(self) -> None:
        """Give the buffers their first values."""
        with torch.no_grad():
            for name, buffer in self.module.named_buffers():
                if name in self._buffers:
                    buffer.copy_(self._buffers[name])


def copied(module: Any, memo: dict[int, Any] | None = None) -> Any:
    """A deep copy, also of a module with a weight that a hook computed; ``memo`` as for ``copy.deepcopy``."""
    memo = {} if memo is None else memo
    for one in module.modules():
        for value in vars(one).values():
            if torch.is_tensor(value) and value.grad_fn is not None:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(module, memo)


def tensors_of(module: torch.nn.Module, inputs: list[Array], *, gradients: bool = False) -> list[torch.Tensor]:
    """Tensors of arrays, where the module is."""
    first = next(iter([*module.parameters(), *module.buffers()]), None)
    device = "cpu" if first is None else first.device
    tensors = [torch.tensor(array, device=device) for array in inputs]
    for tensor in tensors:
        tensor.requires_grad_(gradients and tensor.is_floating_point())
    return tensors


def _functional(outputs: Mapping[str, torch.Tensor], directions: Mapping[str, Array]) -> Any:
    return sum(
        (output * torch.as_tensor(np.ascontiguousarray(directions[place])).to(output)).sum()
        for place, output in outputs.items()
        if place in directions and output.is_floating_point()
    )


@contextmanager
def exact() -> Iterator[None]:
    """Within, float32 is float32 on a GPU too, and transformers run the modules that they are made of."""
    cudnn, before = torch.backends.cudnn, torch.backends.cuda.matmul.allow_tf32
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.mha.set_fastpath_enabled(False)
    others = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    try:
        with cudnn.flags(**others, allow_tf32=False):  # where a test suite has frozen the flags, this is allowed
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def few_threads() -> Iterator[None]:
    """Within, PyTorch uses two threads at most.

    It splits sums over pixels among all that it has, and adds up the parts, so that its rounding error, by which R
    measures ours, would be another on every machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, 2))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _watched(module: torch.nn.Module, calls: dict[str, Call], arguments: bool) -> Iterator[None]:
    """Within, each call of a module in ``module`` is put into ``calls`` when it ends."""
    begun: list[tuple[Any, Any, list[torch.Tensor]]] = []
    counts: dict[str, int] = {}

    def before(_module: Any, args: Any, kwargs: Any) -> None:
        given = [tensor for _, tensor in parts((args, kwargs), torch.Tensor)]
        begun.append((_cloned(args), _cloned(kwargs), given) if arguments else ((), {}, []))

    def after(name: str, one: torch.nn.Module, output: Any) -> None:
        args, kwargs, given = begun.pop()
        counts[name] = counts.get(name, 0) + 1
        tensors = dict(parts(output, torch.Tensor))
        arrays = {place: to_numpy(tensor).copy() for place, tensor in tensors.items()}
        call = Call(name, counts[name], one, arrays, tensors, args, kwargs, given)
        calls[call.name] = call

    handles: list[Any] = []
    for name, child in module.named_modules():
        handles.append(child.register_forward_pre_hook(before, with_kwargs=True, prepend=True))
        handles.append(child.register_forward_hook(lambda one, _args, output, name=name: after(name, one, output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _cloned(value: Any) -> Any:
    if torch.is_tensor(value):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _cloned(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        cloned = [_cloned(one) for one in value]
        return type(value)(*cloned) if hasattr(value, "_fields") else type(value)(cloned)
    return value
