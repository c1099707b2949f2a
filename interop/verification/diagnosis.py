"""Why the first layer that differs does: it runs alone, on PyTorch's own input, and known causes are tested on it."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

from ..rules import modules
from .causes import Case, find
from .comparing import Comparison
from .layouts import Array, channels_back, channels_last, choose_axis, torch_rule
from .measures import FLOAT64_LIMIT, relative_error
from .nesting import parts
from .pairing import Pair
from .report import Diagnosis, LayerComparison, VerifyReport
from .torch_side import Call, Run


def diagnose(report: VerifyReport, comparison: Comparison) -> VerifyReport:
    """The report with what is found out about its first difference."""
    first = report.first_difference
    if first is None:
        return report
    if first.float64 <= FLOAT64_LIMIT:
        text = (
            f"{first.title} is the same computation, for float64 agrees; in float32 JAX rounds "
            f"{first.float32:.1f} times as much as PyTorch"
        )
        found = Diagnosis(first.name, None, None, f"{text}.")
    elif first.what == "output":
        found = _Investigation(comparison).output(first)
    elif first.what == "statistic":
        found = _Investigation(comparison).statistic(first)
    else:
        found = Diagnosis(first.name, None, None, _later(first, report))
    return replace(report, diagnosis=found)


def _later(first: LayerComparison, report: VerifyReport) -> str:
    """What a difference says that comes after all outputs."""
    if first.what == "gradient":
        return (
            f"{first.title} is the first to differ although all outputs agree: look for a stop_gradient, a gradient "
            "rule of its own or a parameter that is held fast on one side."
        )
    hint = "" if report.gradients else " verify(gradients=True) says whether gradients do;"
    return f"{first.title} is the first to differ although all outputs agree:{hint} look at the optimizer's options."


class _Investigation:
    """One more run of both sides in float64, with every call's arguments."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        side = comparison.torch64
        self._run: Run = side.run(comparison.inputs.for_torch(np.float64), arguments=True)
        side.restore()
        self._pairs = {pair.name: pair for pair in comparison.pairing.pairs}
        self._axes: dict[int, int | None] = {
            id(tensor): comparison.inputs.axis(index) for index, tensor in enumerate(self._run.inputs)
        }
        for pair in self._pairs.values():
            tensor = self._run.calls[pair.call].tensors[pair.place]
            self._axes.setdefault(id(tensor), pair.axis)

    def output(self, first: LayerComparison) -> Diagnosis:
        """What is wrong with the layer of an output."""
        call = self._run.calls[self._pairs[first.name].call]
        if call.path == "":
            return self._whole(first, call)
        called = self._comparison.flax64.arguments(self._comparison.inputs.for_flax(np.float64), (call.name,))[
            call.name
        ]
        ours = [np.asarray(leaf) for leaf in jax.tree.leaves(called) if isinstance(leaf, jax.Array)]
        theirs = self._converted(call, ours)
        if theirs is None:
            text = f"{first.title} cannot run alone: it is called with other arguments in Flax than in PyTorch."
            return Diagnosis(first.name, None, None, text)
        try:
            given = self._alone(call, called, theirs)
        except Exception as failure:  # whatever a user's own layer raises for an input that it was not made for
            text = (
                f"{first.title} cannot run alone: on PyTorch's own input it raises {type(failure).__name__}: {failure}"
            )
            return Diagnosis(first.name, None, None, text)
        error = self._error(call, given)
        if error > FLOAT64_LIMIT:
            inside = any(pair.call.startswith(f"{call.path}.") for pair in self._pairs.values())
            own = ", although all layers in it that were compared agree: its own code is wrong" if inside else ""
            how = f"differs by {error:.1e}" if math.isfinite(error) else "gives another shape or no finite numbers"
            text = f"{first.title} is wrong itself: on PyTorch's own input it {how}{own}."
            return self._with_cause(Diagnosis(first.name, error, True, text), self._case(call, given))
        return self._miswired(first, call, error, ours, theirs)

    def _whole(self, first: LayerComparison, call: Call) -> Diagnosis:
        """The model itself, whose input is PyTorch's anyway."""
        text = f"{first.title} differs, and no layer in it was compared: give the layers of both sides the same names."
        if len(self._pairs) > len(self._of(call)):
            text = f"{first.title} differs although all layers that were compared agree: the model's own code is wrong."
        given = self._given(call)
        return self._with_cause(Diagnosis(first.name, first.float64, True, text), self._case(call, given))

    def _miswired(
        self, first: LayerComparison, call: Call, error: float, ours: list[Array], theirs: list[Array]
    ) -> Diagnosis:
        """A layer that is right but gets another input in Flax, though all before it agree."""
        far = max((relative_error(one, other) for one, other in zip(ours, theirs, strict=True)), default=0.0)
        text = (
            f"{first.title} is right itself: on PyTorch's own input it differs by {error:.1e}. In Flax it gets another "
            f"input, off by {far:.1e}, although all layers before it that were compared agree."
        )
        found = Diagnosis(first.name, error, False, text)
        for case, where in self._around(call, ours, theirs):
            cause = find(case)
            if cause is not None:
                return replace(found, cause=cause[0], explanation=f"{where}: {cause[1]}")
        return found

    def _around(self, call: Call, ours: list[Array], theirs: list[Array]) -> Iterator[tuple[Case, str]]:
        """Cases that may say where a wrong input comes from: what gave it in PyTorch, who calls, the input itself."""
        inputs: list[Case] = []
        for tensor, one, other in zip(call.given, ours, theirs, strict=True):
            if relative_error(one, other) <= FLOAT64_LIMIT:
                continue
            axis = self._axis(call, tensor, other, one)
            given, right = ({"": _tensor(channels_back(array, axis))} for array in (one, other))
            inputs.append(Case(call.path, torch.nn.Identity(), (right[""],), right, given))
            source = self._source(tensor)
            if source is not None and not self._of(source):
                expected = {place: _tensor(array) for place, array in source.arrays.items()}
                yield self._bare(source, expected, given), f"{source.name}, which Flax has not as a layer"
        outer = self._parent(call)
        if outer is not None:
            yield self._case(outer, self._given(outer)), f"in {outer.name or 'the model'}"
        yield from ((case, "the input") for case in inputs)

    def _source(self, tensor: torch.Tensor) -> Call | None:
        """The last call that gave this very tensor."""
        calls = (call for call in reversed(self._run.calls.values()) if call.path)
        return next((call for call in calls if any(made is tensor for made in call.tensors.values())), None)

    def _parent(self, call: Call) -> Call | None:
        """The nearest module around a call that was compared."""
        path = call.path
        while path:
            path = path.rpartition(".")[0]
            if path in self._run.calls and self._of(self._run.calls[path]):
                return self._run.calls[path]
        return None

    def statistic(self, first: LayerComparison) -> Diagnosis:
        """What is wrong with a batch statistic, where all outputs agree."""
        path, _, buffer = first.name.rpartition(".")
        call = self._run.calls.get(path)
        text = f"{first.title} differs although all outputs agree, so it is updated in another way."
        found = Diagnosis(first.name, first.float64, True, text)
        if call is None:
            return found
        expected, given = self._comparison.statistic(first.name)
        case = Case(
            path, call.module, call.args, {buffer: _tensor(expected)}, {buffer: _tensor(given)}, call.kwargs,
            self._flax(path), self._comparison.torch64.module, buffer,
        )  # fmt: skip
        return self._with_cause(found, case)

    def _with_cause(self, found: Diagnosis, case: Case) -> Diagnosis:
        cause = find(case)
        return found if cause is None else replace(found, cause=cause[0], explanation=cause[1])

    def _of(self, call: Call) -> list[Pair]:
        return [pair for pair in self._pairs.values() if pair.call == call.name]

    def _given(self, call: Call) -> dict[str, Array]:
        """What Flax gave for a call in the whole run, by Flax's places."""
        return {pair.flax_place: self._comparison.flax_output(pair.name) for pair in self._of(call)}

    def _flax(self, path: str) -> Any:
        return next((one for name, one in modules(self._comparison.flax64.model) if name == path), None)

    def _case(self, call: Call, given: dict[str, Array]) -> Case:
        """The case of a layer, with what Flax gives by Flax's places, channels last."""
        pairs = [pair for pair in self._of(call) if pair.flax_place in given]
        back = {pair.place: _tensor(channels_back(given[pair.flax_place], pair.axis)) for pair in pairs}
        return self._bare(call, {pair.place: _tensor(call.arrays[pair.place]) for pair in pairs}, back)

    def _bare(self, call: Call, expected: dict[str, torch.Tensor], given: dict[str, torch.Tensor]) -> Case:
        compared = {self._run.calls[pair.call].path for pair in self._pairs.values()}
        absent = [
            name for name, _ in call.module.named_modules()
            if name and (f"{call.path}.{name}" if call.path else name) not in compared
        ]  # fmt: skip
        return Case(
            call.path, call.module, call.args, expected, given, call.kwargs, self._flax(call.path),
            self._comparison.torch64.module, absent=tuple(absent),
        )  # fmt: skip

    def _converted(self, call: Call, ours: list[Array]) -> list[Array] | None:
        """PyTorch's arguments of a call in Flax's layout; None if they do not correspond."""
        theirs = [tensor for _, tensor in parts((call.args, dict(sorted(call.kwargs.items()))), torch.Tensor)]
        if len(theirs) != len(ours) or len(call.given) != len(ours):
            return None
        arrays = [tensor.numpy(force=True) for tensor in theirs]
        return [
            channels_last(array, self._axis(call, tensor, array, one))
            for array, tensor, one in zip(arrays, call.given, ours, strict=True)
        ]

    def _axis(self, call: Call, tensor: torch.Tensor, array: Array, ours: Array) -> int | None:
        """Where an argument has its channels: the tensor, its numbers when the call began, and Flax's."""
        known: Any = self._axes.get(id(tensor), "unknown")
        return choose_axis(array, ours, torch_rule(call.module), known)

    def _alone(self, call: Call, called: Any, theirs: list[Array]) -> dict[str, Array]:
        """What the Flax layer gives for PyTorch's arguments, by place.

        Args:
            call: The call.
            called: What Flax calls it with, whose arrays are replaced.
            theirs: PyTorch's, in Flax's layout.
        """
        side = self._comparison.flax64
        leaves, tree = jax.tree.flatten(called)
        with side.precision():
            graph, state = nnx.split(self._flax(call.path))
            arrays = iter(jnp.asarray(array) for array in theirs)
            places = {index: next(arrays) for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)}

            def run(state: Any, places: dict[int, jax.Array]) -> dict[str, jax.Array]:
                args, kwargs = jax.tree.unflatten(tree, [places.get(index, leaf) for index, leaf in enumerate(leaves)])
                return dict(parts(nnx.merge(graph, state, copy=True)(*args, **kwargs), jax.Array))

            return {place: np.asarray(array) for place, array in jax.jit(run)(state, places).items()}

    def _error(self, call: Call, given: dict[str, Array]) -> float:
        return max(
            relative_error(given[pair.flax_place], channels_last(call.arrays[pair.place], pair.axis))
            for pair in self._of(call)
        )


def _tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(array))
