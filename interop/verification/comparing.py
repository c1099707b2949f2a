"""The runs of a comparison, and the figures of every array that they give."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

from dilax.errors import DilaxError

from ..reparametrizing import layer_type
from .flax_side import FlaxRun, FlaxSide
from .inputs import Inputs
from .layouts import Array, channels_last
from .measures import FLOAT64_LIMIT, Ratio, largest, limit, relative_error
from .pairing import pair_outputs
from .report import PREFIXES, LayerComparison, What
from .torch_side import Run, TorchSide, few_threads
from .trajectory import VANISHING, FlaxTrainer, TorchTrainer, converted_optimizer

Key = tuple[What, str]
Found = dict[Key, Array]

_WHATS: tuple[What, ...] = ("output", "statistic", "gradient", "parameter")
# Draws that R is taken over, and those where they leave a doubt.
_DRAWS, _MORE_DRAWS = 4, 16
# Share of the largest gradient below which the error of one is no longer seen relative to itself.
_SMALL_GRADIENT = 1e-2


class Comparison:
    """Both sides in both dtypes, run on as many draws of the inputs as it takes.

    Attributes:
        pairing: Which arrays belong together.
        draws: How many draws of the inputs R is of.
        left_out: A phrase for each parameter whose steps are not compared.
        torch64: The PyTorch side in float64.
        flax64: The Flax side in float64.
    """

    def __init__(
        self,
        torch_module: torch.nn.Module,
        model: nnx.Module,
        inputs: Inputs,
        *,
        training: bool,
        gradients: bool,
        steps: int,
        optimizer: torch.optim.Optimizer | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._progress = progress
        self.inputs, self.training, self.gradients, self._steps = inputs, training, gradients, steps
        self.torch64, self._torch32 = (
            TorchSide(torch_module, dtype, training=training) for dtype in (torch.float64, torch.float32)
        )
        self.flax64, self._flax32 = (
            FlaxSide(model, dtype, training=training, gradients=gradients) for dtype in (jnp.float64, jnp.float32)
        )
        self._trainers: dict[Any, Any] = {}
        self._linear = isinstance(optimizer, torch.optim.SGD)
        if optimizer is not None and steps:
            transform = converted_optimizer(optimizer, torch_module, model)
            self._trainers = {
                side: TorchTrainer(side, optimizer, torch_module) for side in (self.torch64, self._torch32)
            } | {side: FlaxTrainer(side, transform) for side in (self.flax64, self._flax32)}
        self.draws, self.left_out = 0, tuple[str, ...]()
        self._vanishing: set[str] = set()
        self._kinds = {
            f"{path}.{name}" if path else name: layer_type(one).__name__
            for path, one in torch_module.named_modules()
            for name in (*dict(one.named_parameters(recurse=False)), *dict(one.named_buffers(recurse=False)))
        }
        self._first()
        self._show()

    def _first(self) -> None:
        """Both sides in float64 on the inputs as they are; decides what belongs together."""
        ours = self.inputs.for_flax(np.float64)
        theirs = self.torch64.run(self.inputs.for_torch(np.float64), graph=self.gradients)
        self._shapes = self.flax64.output_shapes(ours) if self.gradients or self._steps else {}
        run = self.flax64.run(ours, self._directions(0))
        self.pairing = pair_outputs(self.torch64.module, theirs.calls, run.outputs)
        if not self.pairing.pairs:
            raise DilaxError(
                "verify: the PyTorch module and the Flax model share no layer that gives an array; "
                "pass models whose layers have the same names."
            )
        outputs = theirs.calls[""].arrays if "" in theirs.calls else {}
        shared = {
            pair.flax_place: self._shapes[pair.flax_place]
            for pair in self.pairing.pairs
            if pair.call == ""
            and self._shapes.get(pair.flax_place) == channels_last(outputs[pair.place], pair.axis).shape
        }
        if self._shapes and not shared:
            self._trainers = {}  # nothing has a gradient
        if shared.keys() != self._shapes.keys():  # an output that PyTorch has not alike has no part in gradients
            self._shapes = shared
            run = self.flax64.run(ours, self._directions(0))
        self._truth = self._torch_found(self.torch64, theirs, self.inputs, 0)
        self._double = self._flax_found(self.flax64, run, self.inputs, 0)

    def _directions(self, draw: int) -> dict[str, Array]:
        """A random array for each floating output: what gradients are taken along, and what steps lead to.

        Each draw has its own, for some gradients do not depend on the inputs, such as that of a last bias.
        """
        rng = np.random.default_rng((11, draw))
        return {place: rng.standard_normal(shape) for place, shape in self._shapes.items()}

    def _torch_found(self, side: TorchSide, run: Run, inputs: Inputs, draw: int) -> Found:
        found: Found = {}
        for pair in self.pairing.pairs:
            if pair.call in run.calls and pair.place in run.calls[pair.call].arrays:
                found["output", pair.name] = channels_last(run.calls[pair.call].arrays[pair.place], pair.axis)
        if self.training:
            found |= {("statistic", name): array for name, array in side.statistics().items()}
        directions = self.pairing.for_torch(self._directions(draw))
        if self.gradients:
            found |= {
                ("gradient", name): channels_last(slope, inputs.axis(int(name[6:])))
                if name.startswith("input ")
                else slope
                for name, slope in run.gradients(side.module, directions).items()
            }
        if side in self._trainers:
            dtype = np.float64 if side is self.torch64 else np.float32
            history, vanishing = self._trainers[side].run(inputs.for_torch(dtype), directions, self._steps)
            if side is self.torch64:
                self._vanishing |= vanishing
            found |= {("parameter", name): arrays for name, arrays in history.items()}
        return found

    def _flax_found(self, side: FlaxSide, run: FlaxRun, inputs: Inputs, draw: int) -> Found:
        found: Found = {
            ("output", pair.name): run.outputs[pair.call][pair.flax_place]
            for pair in self.pairing.pairs
            if pair.call in run.outputs
        }
        found |= {("statistic", name): array for name, array in run.statistics.items()}
        found |= {("gradient", name): array for name, array in run.slopes.items()}
        if side in self._trainers:
            dtype = np.float64 if side is self.flax64 else np.float32
            history = self._trainers[side].run(inputs.for_flax(dtype), self._directions(draw), self._steps)
            found |= {("parameter", name): arrays for name, arrays in history.items()}
        return found

    def flax_output(self, name: str) -> Array:
        """What Flax gave in float64 for the output of this name, which is one of a pair."""
        return self._double["output", name]

    def statistic(self, name: str) -> tuple[Array, Array]:
        """A batch statistic after the run in float64, PyTorch's and Flax's."""
        return self._truth["statistic", name], self._double["statistic", name]

    def rows(self) -> dict[What, tuple[LayerComparison, ...]]:
        """The figures of everything that both sides give, by what it is."""
        keys = [key for key in self._truth if key in self._double]
        largest_gradient = max((largest(self._truth[key]) for key in keys if key[0] == "gradient"), default=0.0)
        gradients = [key for key in keys if key[0] == "gradient"]
        tiny = {key for key in gradients if largest(self._truth[key]) <= VANISHING * largest_gradient}
        steady = [key for key in keys if not (key[0] == "parameter" and key[1] in self._vanishing)]
        asked = self.gradients or self._steps
        unsteady = [key[1] for key in keys if key not in steady]
        alone = [f"{PREFIXES[what]}{name}" for what, name in self._truth if (what, name) not in self._double]
        self.left_out = (
            *(f"steps of {name} (its gradient is 0, so rounding alone moves it)" for name in unsteady),
            *(f"{title} (in PyTorch alone)" for title in alone),
            *(["gradients (no floating output has one shape on both sides)"] if asked and not self._shapes else []),
        )
        errors = {
            key: relative_error(
                self._double[key], self._truth[key],
                scale=_SMALL_GRADIENT * largest_gradient if key[0] == "gradient" else 0.0,
            )
            for key in steady
        }  # fmt: skip
        judged = [key for key in steady if key not in tiny and self._has_ratio(key)]
        ratios = self._ratios(judged, errors)
        found: dict[What, list[LayerComparison]] = {what: [] for what in _WHATS}
        for key in steady:
            found[key[0]].append(self._row(key, errors[key], ratios.get(key)))
        return {what: tuple(rows) for what, rows in found.items()}

    def _has_ratio(self, key: Key) -> bool:
        """Whether an array has roundings to compare: whole numbers have none.

        Of the steps of Adam and its like R says nothing: each gradient is divided by its own size, so that a few
        numbers whose gradient is nearly 0 decide it.
        """
        alike = self._double[key].shape == self._truth[key].shape
        return alike and self._truth[key].dtype.kind == "f" and (key[0] != "parameter" or self._linear)

    def _row(self, key: Key, error: float, ratio: Ratio | None) -> LayerComparison:
        what, name = key
        kinds = {pair.name: pair.kind for pair in self.pairing.pairs} if what == "output" else self._kinds
        drop = 1 if what == "parameter" else 0  # the axis of the steps
        return LayerComparison(
            name,
            kinds.get(name, "input"),
            tuple(self._truth[key].shape[drop:]),
            error,
            None if ratio is None else ratio.value,
            what,
            limit(ratio.count if ratio is not None else 0),
            tuple(self._double[key].shape[drop:]),
        )

    def _ratios(self, keys: list[Key], errors: dict[Key, float]) -> dict[Key, Ratio]:
        """R of each array, over more draws while one alone is in doubt and float64 agrees."""
        ratios = {key: Ratio() for key in keys}
        truth: Found | None = self._truth
        # Whole numbers are not changed, so that all draws of them are one.
        fixed = not self.inputs.movable and not self._shapes
        while True:
            for _ in range(1 if fixed else _DRAWS if self.draws == 0 else _MORE_DRAWS - _DRAWS):
                self._draw(ratios, truth)
                truth = None
            doubt = any(
                ratio.value > limit(ratio.count) for key, ratio in ratios.items() if errors[key] <= FLOAT64_LIMIT
            )
            if fixed or not doubt or self.draws >= _MORE_DRAWS:
                return ratios

    def _draw(self, ratios: dict[Key, Ratio], truth: Found | None) -> None:
        draw, inputs = self.draws, self.inputs.draw(self.draws)
        if truth is None:
            wide = self.torch64.run(inputs.for_torch(np.float64), graph=self.gradients)
            truth = self._torch_found(self.torch64, wide, inputs, draw)
        with few_threads() if self.gradients or self._steps else nullcontext():
            theirs = self._torch32.run(inputs.for_torch(np.float32), graph=self.gradients)
            rounded = self._torch_found(self._torch32, theirs, inputs, draw)
        ours = self._flax32.run(inputs.for_flax(np.float32), self._directions(draw))
        single = self._flax_found(self._flax32, ours, inputs, draw)
        for key, ratio in ratios.items():
            if key in truth and key in rounded and key in single:
                steps = self._steps if key[0] == "parameter" else 1
                ratio.add(single[key], rounded[key], truth[key], steps=steps)
        self.draws += 1
        self._show()

    def _show(self) -> None:
        """Report progress: the runs in float64 are one, each draw is one."""
        if self._progress is not None:
            self._progress(1 + self.draws, 1 + (_DRAWS if self.draws <= _DRAWS else _MORE_DRAWS))
