"""Tell by numbers what the data flow leaves open."""

from collections.abc import Mapping

from dilax.errors import DilaxError

from .comparing import layer_error, result_error
from .flax_tracing import FlaxTrace
from .graph import Node, Pair
from .layers import Layer, join
from .torch_tracing import TorchTrace
from .tracing import Array, Values

#: Relative error from which on two outputs are those of different layers. Rounding stays below, other numbers above.
DIFFERENT = 1e-8

#: How many tables are tried.
TRIES = 2000

#: How many tables that fit are looked for: six, since that many show all candidates among three layers.
ENOUGH = 6


class Search:
    """Try the assignments that the colours allow, layer by layer, and keep those that give PyTorch's numbers.

    Args:
        theirs: A run of the PyTorch module, with numbers that tell its layers apart.
        ours: The Flax model.
        arrays: The module's arrays.

    Attributes:
        solutions: Tables that fit, at most ``ENOUGH``. With more than one there is no telling which is meant.
        failure: Of the table that came furthest, the nodes of both sides whose numbers differ.
    """

    def __init__(self, theirs: TorchTrace, ours: FlaxTrace, arrays: Mapping[str, Array]) -> None:
        self._theirs, self._ours, self._arrays = theirs, ours, arrays
        self._rank = {place: rank for rank, place in enumerate(theirs.order)}
        self._tries = 0
        self._furthest = -1
        self.solutions: list[dict[int, int]] = []
        self.failure: tuple[Node, Node] = (("output", 0), ("output", 0))

    def run(self, pair: Pair, agreed: frozenset[int] = frozenset()) -> None:
        """Go through all tables within ``pair``; ``agreed`` are layers of Flax whose outputs were compared before."""
        matched = pair.matched()
        values = self._filled(matched)
        inverse = {ours: theirs for theirs, ours in matched.items()}
        settled = inverse.keys() - self._ours.graph.depending(set(range(len(self._ours.layers))) - inverse.keys())
        for node in sorted(settled - agreed, key=lambda node: self._rank[inverse[node]]):
            theirs = self._theirs.values.layers.get(inverse[node], [])
            error = layer_error(theirs, values.layers.get(node, []))
            if error is not None and error > DIFFERENT:
                return self._failed(inverse[node], node, len(settled))
        waiting = pair.open_classes()
        if waiting:
            return self._narrow(
                pair, *min(waiting, key=lambda found: min(map(self._place, found[0]))), frozenset(settled)
            )
        if result_error(self._theirs.values.results, values.results) > DIFFERENT:
            return self._failed(("output", 0), ("output", 0), len(matched))
        self.solutions.append(matched)
        return None

    def _narrow(self, pair: Pair, theirs: list[int], candidates: list[int], settled: frozenset[int]) -> None:
        first = min(theirs, key=self._place)
        for candidate in sorted(candidates, key=self._ours.order.index):
            narrowed = pair.singled(first, candidate)
            if narrowed is not None and len(self.solutions) < ENOUGH:
                self.run(narrowed, settled)

    def _place(self, node: int) -> int:
        return self._rank[node]

    def _filled(self, matched: Mapping[int, int]) -> Values:
        self._tries += 1
        if self._tries > TRIES:
            raise DilaxError(
                f"align: {TRIES} tables were tried and more are possible, since many layers are alike; "
                "say for some of them which is which, in known={'name in PyTorch': 'path in Flax'}."
            )
        found: dict[str, Array] = {}
        for theirs, ours in matched.items():
            keys = renamed_keys(self._theirs.layers[theirs], self._ours.layers[ours])
            found |= {new: self._arrays[old] for old, new in keys.items()}
        return self._ours.run(self._ours.filled(found))

    def _failed(self, theirs: Node, ours: Node, settled: int) -> None:
        if settled > self._furthest:
            self._furthest, self.failure = settled, (theirs, ours)


def renamed_keys(theirs: Layer, ours: Layer) -> dict[str, str]:
    """The keys of a Flax layer's arrays by those of the PyTorch layer, as far as both have equally many names."""
    return {
        join(old, part): join(new, part)
        for old, new in zip(theirs.names, ours.names, strict=False)
        for part, _ in theirs.arrays
    }
