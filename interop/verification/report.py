"""What a comparison found, as values and as a table."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from dilax.errors import MismatchError

#: Largest relative error between two float64 runs of one computation that rounding explains.
FLOAT64_LIMIT = 1e-12

#: How many times further than PyTorch's own float32 result JAX's may lie from the float64 result.
FLOAT32_LIMIT = 2.0


@dataclass(frozen=True)
class LayerComparison:
    """One layer's output in both frameworks.

    Attributes:
        name: Its dotted path; empty for the whole model.
        kind: Type of the PyTorch layer.
        shape: Shape of the output, channels last.
        float64: Largest difference of the float64 outputs over the largest magnitude.
        float32: ``R``, the distance (root mean square) of JAX's float32 output from PyTorch's float64 output over
            that of PyTorch's float32 output.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    float64: float
    float32: float

    @property
    def equal(self) -> bool:
        """Whether both figures are within their limits."""
        return self.float64 <= FLOAT64_LIMIT and self.float32 <= FLOAT32_LIMIT


@dataclass(frozen=True)
class VerifyReport:
    """Layers in the order in which PyTorch runs them, the whole model's output last.

    Attributes:
        layers: The comparisons.
        not_compared: Names of layers that only one side has, or that did not run.
    """

    layers: tuple[LayerComparison, ...]
    not_compared: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every layer is equal."""
        return all(layer.equal for layer in self.layers)

    @property
    def first_difference(self) -> LayerComparison | None:
        """The first layer that differs, or None."""
        return next((layer for layer in self.layers if not layer.equal), None)

    def raise_if_different(self) -> None:
        """Raise unless every layer is equal.

        Raises:
            MismatchError: Some layers differ; the message lists them in order.
        """
        different = [layer for layer in self.layers if not layer.equal]
        if different:
            lines = [
                f"{layer.name or 'output'} ({layer.kind}): float64 {layer.float64:.1e}, R {layer.float32:.2f}"
                for layer in different
            ]
            raise MismatchError(
                "verify",
                f"{len(different)} of {len(self.layers)} outputs differ",
                lines,
                "look at the first: those after it follow from it",
            )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "equal": self.equal,
            "layers": [asdict(layer) | {"equal": layer.equal} for layer in self.layers],
            "not_compared": list(self.not_compared),
        }

    def __rich__(self) -> Table:
        table = Table(title="PyTorch and Flax, layer by layer", title_justify="left")
        for heading, justify in (
            ("layer", "left"),
            ("type", "left"),
            ("output", "left"),
            ("float64 rel. error", "right"),
            ("float32 R", "right"),
            ("", "left"),
        ):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        for layer in self.layers:
            table.add_row(
                layer.name or "output",
                layer.kind,
                "×".join(map(str, layer.shape)),
                f"{layer.float64:.1e}",
                f"{layer.float32:.2f}",
                Text("equal", "green") if layer.equal else Text("DIFFERS", "bold red"),
                end_section=layer.name == "",
            )
        limits = f"equal: float64 error ≤ {FLOAT64_LIMIT:g}, R ≤ {FLOAT32_LIMIT:g}"
        note = f"; not compared: {', '.join(self.not_compared)}" if self.not_compared else ""
        table.caption = limits + note
        table.caption_justify = "left"
        return table
