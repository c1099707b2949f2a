"""Which layer feeds which, and the colours that tell the nodes of two such graphs apart."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

#: A layer's place in the list of layers, or ``("input", 0)``, ``("output", 0)``.
Node = int | tuple[str, int]
Edges = dict[Node, set[Node]]
Colours = Mapping[Node, int]


@dataclass(frozen=True)
class Graph:
    """A model's data flow between its layers.

    Attributes:
        labels: What each node is.
        sizes: Sizes of inputs and outputs of each node, as far as they are known.
        predecessors: The nodes whose results reach each node without passing another one.
    """

    labels: Mapping[Node, Hashable]
    sizes: Mapping[Node, Hashable]
    predecessors: Mapping[Node, frozenset[Node]]

    @cached_property
    def successors(self) -> Edges:
        """The nodes that each node's results reach without passing another one."""
        found: Edges = {node: set() for node in self.labels}
        for node, sources in self.predecessors.items():
            for source in sources:
                found[source].add(node)
        return found

    def depending(self, nodes: Iterable[Node]) -> set[Node]:
        """These nodes and all that depend on one of them."""
        found: set[Node] = set()
        waiting = list(nodes)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.successors[one]
        return found


@dataclass(frozen=True)
class Pair:
    """Two graphs, PyTorch's and Flax's, coloured with one set of colours.

    Attributes:
        graphs: The graphs.
        colours: Colours of the nodes of each; nodes that may correspond have equal colours.
        alike: Whether the two data flows are alike as far as colours tell.
    """

    graphs: tuple[Graph, Graph]
    colours: tuple[Colours, Colours]
    alike: bool = True

    def classes(self) -> list[tuple[list[Node], list[Node]]]:
        """Nodes of equal colour on either side."""
        found: dict[int, tuple[list[Node], list[Node]]] = {}
        for side in (0, 1):
            for node, colour in self.colours[side].items():
                found.setdefault(colour, ([], []))[side].append(node)
        return list(found.values())

    def matched(self) -> dict[int, int]:
        """The layers of Flax by those of PyTorch, as far as only one is possible."""
        alone = [(theirs[0], ours[0]) for theirs, ours in self.classes() if len(theirs) == 1]
        return {one: other for one, other in alone if isinstance(one, int) and isinstance(other, int)}

    def open_classes(self) -> list[tuple[list[int], list[int]]]:
        """The layers of either side that several are possible for."""
        return [
            ([node for node in theirs if isinstance(node, int)], [node for node in ours if isinstance(node, int)])
            for theirs, ours in self.classes()
            if len(theirs) > 1
        ]

    def singled(self, theirs: Node, ours: Node) -> "Pair | None":
        """The same with these two paired and all that follows from it; None if that contradicts the data flow."""
        new = 1 + max(self.colours[0].values())
        colours = ({**self.colours[0], theirs: new}, {**self.colours[1], ours: new})
        found = refined(Pair(self.graphs, colours, self.alike))
        return None if self.alike and not found.alike else found


def coloured(theirs: Graph, ours: Graph) -> Pair:
    """Colour two graphs that have equally many nodes of each label."""
    graphs = (theirs, ours)
    start = _recoloured(theirs.labels, ours.labels)
    assert start is not None
    sized = [{node: (start[side][node], graphs[side].sizes[node]) for node in start[side]} for side in (0, 1)]
    colours = _recoloured(*sized)
    return refined(Pair(graphs, start, alike=False) if colours is None else Pair(graphs, colours))


def refined(pair: Pair) -> Pair:
    """Colour each node by its own colour and its neighbours', again and again, until no more nodes are told apart.

    Where the two sides come to disagree the colours before that are kept, and the graphs are no longer alike.
    """
    successors = [graph.successors for graph in pair.graphs]
    while True:
        signatures = [
            {
                node: (
                    colour,
                    tuple(sorted(pair.colours[side][other] for other in pair.graphs[side].predecessors[node])),
                    tuple(sorted(pair.colours[side][other] for other in successors[side][node])),
                )
                for node, colour in pair.colours[side].items()
            }
            for side in (0, 1)
        ]
        colours = _recoloured(*signatures)
        if colours is None:
            return Pair(pair.graphs, pair.colours, alike=False)
        if len(set(colours[0].values())) == len(set(pair.colours[0].values())):
            return pair
        pair = Pair(pair.graphs, colours, pair.alike)


def _recoloured(theirs: Mapping[Node, Hashable], ours: Mapping[Node, Hashable]) -> tuple[Colours, Colours] | None:
    """A colour for each signature; None if the two sides do not have equally many nodes of each."""
    if Counter(theirs.values()) != Counter(ours.values()):
        return None
    names = {signature: colour for colour, signature in enumerate(dict.fromkeys(theirs.values()))}
    return (
        {node: names[signature] for node, signature in theirs.items()},
        {node: names[signature] for node, signature in ours.items()},
    )
