"""What was found, as values and as a table."""

from dataclasses import dataclass

from rich.table import Table

from .layers import join


@dataclass(frozen=True)
class AlignedLayer:
    """A layer of the PyTorch module and the same layer of the Flax model.

    Attributes:
        torch_name: Its path in PyTorch; the key of an array that a user's module holds.
        flax_name: Its path in Flax, or that array's.
        kind: Its type in PyTorch, or ``"array"``.
        arrays: Names of its arrays in PyTorch, below its path, and their shapes there.
        error: Largest relative difference of its outputs in float64; None where they are not seen: of an array, of a
            layer that did not run, and inside ``jax.lax.scan`` and the like.
    """

    torch_name: str
    flax_name: str
    kind: str
    arrays: tuple[tuple[str, tuple[int, ...]], ...]
    error: float | None


@dataclass(frozen=True)
class Alignment:
    """A table of layers that was shown to be right.

    Attributes:
        layers: The layers, in the order in which PyTorch runs them, and those that it does not run.
        error: Largest relative difference of the models' outputs in float64, through this table.
        not_run: Names in PyTorch of the layers that the inputs do not reach: type and shapes alone say which they are.
    """

    layers: tuple[AlignedLayer, ...]
    error: float
    not_run: tuple[str, ...]

    @property
    def rename(self) -> dict[str, str]:
        """Prefixes of keys in Flax by prefixes of keys in PyTorch, as ``interop.load(..., rename=...)`` takes them.

        Whole keys where a model is itself the layer, and has no prefix.
        """
        found = {}
        for layer in self.layers:
            if layer.torch_name and layer.flax_name:
                found[layer.torch_name] = layer.flax_name
            else:
                found |= {join(layer.torch_name, name): join(layer.flax_name, name) for name, _ in layer.arrays}
        return found

    def __rich__(self) -> Table:
        table = Table(title="Layers of PyTorch and Flax", title_justify="left")
        for heading in ("PyTorch", "Flax", "type", "arrays"):
            table.add_column(heading)
        table.add_column("float64 rel. error", justify="right")
        for layer in self.layers:
            table.add_row(
                layer.torch_name or "the model",
                layer.flax_name or "the model",
                layer.kind,
                ", ".join("×".join(map(str, shape)) or "1" for _, shape in layer.arrays),
                "not seen" if layer.error is None else f"{layer.error:.1e}",
            )
        note = f"; by type and shapes alone: {', '.join(self.not_run)}" if self.not_run else ""
        table.caption = f"proof: the outputs differ by {self.error:.1e} in float64{note}"
        table.caption_justify = "left"
        return table
