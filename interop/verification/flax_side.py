"""One run of the Flax model, seen from inside: every module's outputs, and gradients and statistics on demand."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..rules import modules
from ..saving import state_dict
from .layouts import Array
from .nesting import call_name, parts

Outputs = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class FlaxRun:
    """What one run gave, in NumPy arrays.

    Attributes:
        outputs: By name of the call and place in it.
        slopes: Gradients of the parameters by PyTorch's keys, in PyTorch's layout; those of inputs by number.
        statistics: All other arrays after the run, alike.
    """

    outputs: dict[str, dict[str, Array]]
    slopes: dict[str, Array]
    statistics: dict[str, Array]


class FlaxSide:
    """A copy of a model in one dtype and mode.

    Args:
        model: The model; is not changed.
        dtype: Dtype of its floating arrays.
        training: Whether it is in training mode.
        gradients: Whether runs give gradients.
    """

    def __init__(self, model: nnx.Module, dtype: Any, *, training: bool, gradients: bool) -> None:
        self._wide = dtype == jnp.float64
        self._training, self._gradients = training, gradients
        self.graph: Any
        self.params: Any
        self.rest: Any
        with self.precision():
            self.graph, self.params, self.rest = _split(cast(model, dtype, training=training))
        self._run = jax.jit(self._with_gradients if gradients else self._forward)

    def precision(self) -> Any:
        """Within, arrays have this side's dtype."""
        return _precision(self._wide)

    @property
    def model(self) -> Any:
        """The copy itself, a new one each time."""
        return nnx.merge(self.graph, self.params, self.rest, copy=True)

    def output_shapes(self, inputs: list[Array]) -> dict[str, tuple[int, ...]]:
        """Shapes of the model's floating outputs, by place."""
        with self.precision():
            shapes = jax.eval_shape(lambda *given: self.forward(self.params, self.rest, given)[0], *inputs)
        return {
            place: one.shape for place, one in shapes.get("", {}).items() if jnp.issubdtype(one.dtype, jnp.floating)
        }

    def run(self, inputs: list[Array], directions: Mapping[str, Array]) -> FlaxRun:
        """Run the model."""
        dtype = np.float64 if self._wide else np.float32
        narrow = {place: array.astype(dtype) for place, array in directions.items()}
        with self.precision():
            outputs, rest, slopes = self._run(self.params, self.rest, tuple(inputs), narrow)
            found: dict[str, Array] = {}
            if self._gradients:
                found = state_dict(nnx.merge(self.graph, slopes[0], rest, copy=True))
                found |= {f"input {index}": np.asarray(slope) for index, slope in slopes[1].items()}
            model = nnx.merge(self.graph, self.params, rest, copy=True)
            statistics = state_dict(model) if self._training else {}
        return FlaxRun(jax.tree.map(np.asarray, outputs), found, statistics)

    def forward(self, params: Any, rest: Any, inputs: Any, watched: tuple[str, ...] = ()) -> Any:
        """Every output, the state after the run, and the arguments of the calls ``watched``; to be traced."""
        copy = nnx.merge(self.graph, params, rest, copy=True)
        outputs: Outputs = {}
        arguments: dict[str, list[Any]] = {}
        with recording(copy, outputs, arguments, watched):
            copy(*inputs)
        return outputs, _split(copy)[2], arguments

    def _forward(self, params: Any, rest: Any, inputs: Any, _directions: Any) -> Any:
        outputs, rest, _ = self.forward(params, rest, inputs)
        return outputs, rest, ()

    def _with_gradients(self, params: Any, rest: Any, inputs: Any, directions: Any) -> Any:
        movable = {index: x for index, x in enumerate(inputs) if jnp.issubdtype(x.dtype, jnp.floating)}

        def functional(params: Any, movable: Any) -> Any:
            given = [movable.get(index, x) for index, x in enumerate(inputs)]
            outputs, new_rest, _ = self.forward(params, rest, given)
            total = sum((outputs[""][place] * direction).sum() for place, direction in directions.items())
            return jnp.asarray(total, float), (outputs, new_rest)

        slopes, (outputs, rest) = jax.grad(functional, (0, 1), has_aux=True)(params, movable)
        return outputs, rest, slopes

    def arguments(self, inputs: list[Array], watched: tuple[str, ...]) -> dict[str, Any]:
        """Arguments of the calls ``watched`` in a run, as the tuples and dicts with which they were called."""
        kept: dict[str, Any] = {}

        def traced(params: Any, rest: Any, given: Any) -> Any:
            found = self.forward(params, rest, given, watched)[2]
            leaves = {}
            for name, arguments in found.items():
                flat, tree = jax.tree.flatten(arguments)
                kept[name] = flat, tree
                leaves[name] = {index: leaf for index, leaf in enumerate(flat) if isinstance(leaf, jax.Array)}
            return leaves

        with self.precision():
            values = jax.jit(traced)(self.params, self.rest, tuple(inputs))
        return {
            name: jax.tree.unflatten(tree, [values[name].get(index, leaf) for index, leaf in enumerate(flat)])
            for name, (flat, tree) in kept.items()
        }


def _split(model: Any) -> Any:
    """The model's structure, its parameters, and all else that it holds."""
    return nnx.split(model, nnx.Param, ...)


def cast(model: nnx.Module, dtype: Any, *, training: bool) -> nnx.Module:
    """A copy in one mode, with its floating arrays in ``dtype``."""
    graph, state = nnx.split(model)
    state = jax.tree.map(lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, state)
    result = nnx.merge(graph, state, copy=True)
    result.train() if training else result.eval()
    return result


@contextmanager
def _precision(wide: bool) -> Iterator[None]:
    with jax.enable_x64(wide), jax.default_matmul_precision("highest"):
        yield


@contextmanager
def recording(
    model: Any, outputs: Outputs, arguments: dict[str, list[Any]], watched: tuple[str, ...]
) -> Iterator[None]:
    """Within, a call of a module of ``model`` puts its outputs into ``outputs``, and its arguments if it is watched.

    Calls inside another transformation, such as a scan, are left out: their arrays exist only there.
    """
    paths: dict[int, str] = {}
    owners: dict[type[Any], Any] = {}
    for path, module in modules(model):
        paths.setdefault(id(module), path)
        owner = next((kind for kind in type(module).__mro__ if "__call__" in vars(kind)), None)
        if owner is not None:
            owners[owner] = vars(owner)["__call__"]
    recorder = _Recorder(paths, outputs, arguments, watched)
    for owner, original in owners.items():
        owner.__call__ = recorder.around(original)
    try:
        yield
    finally:
        for owner, original in owners.items():
            owner.__call__ = original


class _Recorder:
    """Notes what calls of modules give.

    Args:
        paths: The modules' paths by identity.
        outputs: Where outputs are put.
        arguments: Where the arguments of watched calls are put.
        watched: Names of these calls.
    """

    def __init__(
        self, paths: dict[int, str], outputs: Outputs, arguments: dict[str, list[Any]], watched: tuple[str, ...]
    ) -> None:
        self._paths, self._outputs, self._arguments, self._watched = paths, outputs, arguments, watched
        self._trace = _current_trace()
        self._running: set[int] = set()
        self._counts: dict[str, int] = {}

    def around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A ``__call__`` that does what the original does, and notes it."""

        @wraps(original)
        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            # A class whose method calls that of its base is one call.
            outermost = id(module) in self._paths and id(module) not in self._running
            if not outermost or _current_trace() != self._trace:
                return original(module, *args, **kwargs)
            self._running.add(id(module))
            try:
                output = original(module, *args, **kwargs)
            finally:
                self._running.discard(id(module))
            self._note(self._paths[id(module)], output, [args, kwargs])
            return output

        return call

    def _note(self, path: str, output: Any, arguments: list[Any]) -> None:
        self._counts[path] = self._counts.get(path, 0) + 1
        name = call_name(path, self._counts[path])
        found = dict(parts(output, jax.Array))
        if found:
            self._outputs[name] = found
        if name in self._watched:
            self._arguments[name] = arguments


def _current_trace() -> Any:
    return jax.extend.core.get_opaque_trace_state(convention="nnx")
