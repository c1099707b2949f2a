"""What a comparison found, as values."""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.table import Table

from dilax.errors import MismatchError

from .measures import FLOAT32_LIMIT, FLOAT64_LIMIT

What = Literal["output", "statistic", "gradient", "parameter"]

#: What a name alone would leave open.
PREFIXES: dict[What, str] = {
    "output": "",
    "statistic": "statistic ",
    "gradient": "gradient of ",
    "parameter": "steps of ",
}


@dataclass(frozen=True)
class LayerComparison:
    """One array in both frameworks: a layer's output, a gradient, a statistic, or a parameter after training steps.

    Attributes:
        name: Its dotted path, with ``#2`` from the second call of a module on and the place in a nested output, such as
            ``lstm[1][0]``; empty for the whole model's output.
        kind: Type of the PyTorch layer.
        shape: Shape in PyTorch, channels last where it is an output.
        float64: Largest difference of the float64 arrays over the largest magnitude; infinite if shapes differ.
        float32: ``R``, the distance (root mean square) of JAX's float32 array from PyTorch's float64 array over
            that of PyTorch's float32 array; None for whole numbers, gradients that are 0, and the steps of Adam.
        what: What is compared.
        limit: The largest R that luck explains for an array of this size.
        flax_shape: Shape in Flax.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    float64: float
    float32: float | None
    what: What = "output"
    limit: float = FLOAT32_LIMIT
    flax_shape: tuple[int, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether float64 agrees and, of an output, float32 is good enough.

        Gradients and statistics are sums over many pixels, which XLA takes in float32, for layers of Flax itself and on
        several devices, and PyTorch in float64 or in parts. That is no difference of the models.
        """
        return self.float64 <= FLOAT64_LIMIT and (self.rounds_well or self.what != "output")

    @property
    def rounds_well(self) -> bool:
        """Whether R is within its limit."""
        return self.float32 is None or self.float32 <= self.limit

    @property
    def title(self) -> str:
        """What a reader is told: the name, and what it is of."""
        return f"{PREFIXES[self.what]}{self.label}"

    @property
    def label(self) -> str:
        """The name, or a word for the whole model's output, which has none."""
        return f"output{self.name}" if not self.name or self.name.startswith("[") else self.name

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values; a figure that is no number is None."""
        return _finite(asdict(self)) | {"equal": self.equal}


@dataclass(frozen=True)
class Diagnosis:
    """What became of the first layer that differs when it ran alone, on PyTorch's own input.

    Attributes:
        name: The layer.
        own_error: Its relative error in float64 then; None if it could not run alone.
        wrong_itself: Whether it is wrong itself, rather than called with something else; None if that is not known.
        text: The finding in one sentence.
        cause: Name of the cause that a test confirmed, such as ``epsilon``, or None.
        explanation: That cause in one sentence, or None.
    """

    name: str
    own_error: float | None
    wrong_itself: bool | None
    text: str
    cause: str | None = None
    explanation: str | None = None


@dataclass(frozen=True)
class VerifyReport:
    """Everything that was compared, in the order in which PyTorch runs it, the whole model's output last.

    Attributes:
        layers: Outputs of layers.
        not_compared: A phrase for each layer that only one side has, or that did not run.
        statistics: Batch statistics after the run, in training mode.
        gradients: Gradients of inputs and parameters.
        parameters: Parameters over training steps.
        diagnosis: What is known of the first difference, if there is one.
        draws: How many slightly changed inputs R is of.
        steps: How many training steps there were.
        training: Whether the models ran in training mode.
        model: Types of the PyTorch module and of the Flax model.
        versions: Of the frameworks.
    """

    layers: tuple[LayerComparison, ...]
    not_compared: tuple[str, ...]
    statistics: tuple[LayerComparison, ...] = ()
    gradients: tuple[LayerComparison, ...] = ()
    parameters: tuple[LayerComparison, ...] = ()
    diagnosis: Diagnosis | None = None
    draws: int = 1
    steps: int = 0
    training: bool = False
    model: tuple[str, str] = ("", "")
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> tuple[LayerComparison, ...]:
        """All comparisons: outputs, statistics, gradients, parameters."""
        return (*self.layers, *self.statistics, *self.gradients, *self.parameters)

    @property
    def equal(self) -> bool:
        """Whether everything is equal: float64 agrees everywhere, and R of outputs is within its limit."""
        return all(row.equal for row in self.rows)

    @property
    def proven(self) -> bool:
        """Whether float64 agrees everywhere: both sides compute the same, however well each rounds."""
        return all(row.float64 <= FLOAT64_LIMIT for row in self.rows)

    @property
    def first_difference(self) -> LayerComparison | None:
        """The first that differs in float64, or else the first whose R is too large, or None."""
        different = [row for row in self.rows if not row.equal]
        return next((row for row in different if row.float64 > FLOAT64_LIMIT), next(iter(different), None))

    @property
    def worst(self) -> float:
        """The largest float64 error."""
        return max((row.float64 for row in self.rows), default=0.0)

    @property
    def summary(self) -> str:
        """How many of what were compared, as ``21 outputs and 40 gradients``."""
        named = (
            (self.layers, "outputs"), (self.statistics, "statistics"), (self.gradients, "gradients"),
            (self.parameters, f"parameters over {self.steps} steps"),
        )  # fmt: skip
        counts = [f"{len(rows)} {what}" for rows, what in named if rows]
        return " and ".join([", ".join(counts[:-1]), counts[-1]] if len(counts) > 1 else counts)

    def raise_if_different(self) -> None:
        """Raise unless everything is equal.

        Raises:
            MismatchError: Some differ; the message lists them, the first first, with its cause if that was found.
        """
        first = self.first_difference
        if first is not None:
            different = [first, *(row for row in self.rows if not row.equal and row is not first)]
            lines = [f"{row.title} ({row.kind}): {figures(row)}" for row in different]
            found = self.diagnosis
            notes = () if found is None else (found.text, found.explanation)
            lines[1:1] = [f"  {note}" for note in notes if note]
            raise MismatchError(
                "verify",
                f"{len(different)} of {len(self.rows)} comparisons differ",
                lines,
                "look at the first: those after it follow from it",
            )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        groups = ("layers", "statistics", "gradients", "parameters")
        first = self.first_difference
        return {
            "equal": self.equal,
            "proven": self.proven,
            "model": {"torch": self.model[0], "flax": self.model[1]},
            "training": self.training,
            "draws": self.draws,
            "steps": self.steps,
            "versions": dict(self.versions),
            "first_difference": None if first is None else first.title,
            "diagnosis": None if self.diagnosis is None else _finite(asdict(self.diagnosis)),
            "not_compared": list(self.not_compared),
            **{group: [row.to_dict() for row in getattr(self, group)] for group in groups},
        }

    def table(self, *, all: bool = False) -> Table:
        """The report as a table for a terminal.

        Args:
            all: Whether to show every row, rather than fold runs of equal ones where there are many.
        """
        from .table import table

        return table(self, all=all)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML page that needs nothing else.

        Args:
            path: The file to write.

        Raises:
            FileError: It cannot be written.
        """
        from .page import write_page

        write_page(self, path)

    def __rich__(self) -> Any:
        return self.table()


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """The values with None for infinities, which JSON has not."""
    infinite = [name for name, value in values.items() if isinstance(value, float) and not math.isfinite(value)]
    return values | dict.fromkeys(infinite)


def figures(row: LayerComparison) -> str:
    """Both figures of a comparison in words."""
    if row.flax_shape != row.shape:
        return f"the shape is {row.flax_shape} in Flax and {row.shape} in PyTorch"
    ratio = "" if row.float32 is None else f", R {ratio_text(row.float32)}"
    return f"float64 {row.float64:.1e}{ratio}"


def ratio_text(value: float) -> str:
    """R as it is printed."""
    return f"{value:.2f}" if value < 1000 else f"{value:.1e}"


def shape_text(row: LayerComparison) -> str:
    """The shape of an array, both sides' where they differ."""
    theirs, ours = ("×".join(map(str, shape)) or "()" for shape in (row.shape, row.flax_shape))
    return theirs if theirs == ours else f"{theirs} (Flax {ours})"
