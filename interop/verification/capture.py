"""Every module's output in one run, on either side."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import jax
import numpy as np
import torch
from flax import nnx

from ..rules import modules

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]


def torch_outputs(module: torch.nn.Module, x: np.ndarray[Any, Any]) -> Arrays:
    """Outputs of a PyTorch module and of all below it, by path, in the order in which they ended.

    Args:
        module: The module; runs as it is, in its own mode.
        x: ``(N, *spatial, C)`` of the module's dtype.

    Returns:
        Arrays with channels last; the module's own output under ``""``. Of a module that runs more than once, the last.
    """
    outputs: Arrays = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                outputs[name] = torch.movedim(output, 1, -1).numpy(force=True).copy()

        return hook

    handles = [child.register_forward_hook(keep(name)) for name, child in module.named_modules()]
    try:
        with torch.no_grad():
            module(torch.movedim(torch.from_numpy(np.ascontiguousarray(x)), -1, 1))
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def flax_outputs(model: nnx.Module, x: np.ndarray[Any, Any]) -> Arrays:
    """Outputs of a Flax module and of all below it, by path.

    Args:
        model: The model; runs as it is, in its own mode, and is not changed.
        x: ``(N, *spatial, C)``.

    Returns:
        Arrays; the model's own output under ``""``.
    """
    graph, state = nnx.split(model)

    @jax.jit
    def run(state: Any, x: jax.Array) -> dict[str, jax.Array]:
        copy = nnx.merge(graph, state)
        paths = {id(module): path for path, module in modules(copy)}
        outputs: dict[str, jax.Array] = {}
        with _recording({type(module) for _, module in modules(copy)}, paths, outputs):
            copy(x)
        return outputs

    return {name: np.asarray(output) for name, output in run(state, x).items()}


@contextmanager
def _recording(types: set[type[Any]], paths: dict[int, str], outputs: dict[str, jax.Array]) -> Iterator[None]:
    """Within, a call of a module in ``paths`` puts its output into ``outputs``."""
    originals = {kind: kind.__call__ for kind in types if "__call__" in vars(kind)}

    def record(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            output = original(self, *args, **kwargs)
            if id(self) in paths and isinstance(output, jax.Array):
                outputs[paths[id(self)]] = output
            return output

        return call

    for kind, original in originals.items():
        kind.__call__ = record(original)
    try:
        yield
    finally:
        for kind, original in originals.items():
            kind.__call__ = original
