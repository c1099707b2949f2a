"""What is said when two models cannot be aligned."""

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from dilax.errors import DilaxError, MismatchError

from .flax_tracing import FlaxTrace
from .graph import Node
from .layers import Layer
from .search import Search
from .torch_tracing import TorchTrace


def check_layers(theirs: TorchTrace, ours: FlaxTrace) -> None:
    """Raise a MismatchError unless both models have equally many layers of each type and shapes, and some."""
    left, right = _in_order(theirs), _in_order(ours)
    match = SequenceMatcher(None, [layer.label for layer in left], [layer.label for layer in right], autojunk=False)
    changes = [change for change in match.get_opcodes() if change[0] != "equal"]
    only_left = [layer for _, start, end, _, _ in changes for layer in left[start:end]]
    only_right = [layer for _, _, _, start, end in changes for layer in right[start:end]]
    # What both have, in another order, is no difference.
    problems = [f"only in PyTorch: {layer}" for layer in _beyond(only_left, only_right)]
    problems += [f"only in Flax: {layer}" for layer in _beyond(only_right, only_left)]
    if problems:
        raise MismatchError(
            "align", f"{len(problems)} layers have no counterpart of the same type and shapes", problems,
            "build the Flax model with the PyTorch module's layers and options",
        )  # fmt: skip
    if not theirs.layers:
        raise DilaxError("align: the models have no layer with arrays; there is nothing to rename.")
    if len(theirs.values.results) != ours.number_results:
        raise MismatchError(
            "align", "the models return different numbers of arrays",
            [f"PyTorch: {len(theirs.values.results)}", f"Flax: {ours.number_results}"], "let both return the same",
        )  # fmt: skip


def check_names(theirs: TorchTrace, ours: FlaxTrace, table: dict[int, int]) -> None:
    """Raise a MismatchError where a shared layer has more names on one side."""
    pairs = [(theirs.layers[one], ours.layers[other]) for one, other in table.items()]
    problems = [f"{one} is {other}" for one, other in pairs if len(one.names) != len(other.names)]
    if problems:
        raise MismatchError(
            "align", f"{len(problems)} shared layers have more names on one side, so that no renaming pairs their keys",
            problems, "hold each in the Flax model under as many names as in PyTorch",
        )  # fmt: skip


def no_table(search: Search, theirs: TorchTrace, ours: FlaxTrace, *, alike: bool) -> MismatchError:
    """The error of models whose layers are alike and whose numbers are not."""
    one, other = search.failure
    names = ["PyTorch: the result", "Flax: the result"]
    if isinstance(one, int) and isinstance(other, int):
        names = [f"PyTorch: {theirs.layers[one]}", f"Flax: {ours.layers[other]}"]
    flow = "alike" if alike else "different"
    return MismatchError(
        "align",
        "types and shapes of the layers agree, but no table gives PyTorch's outputs",
        [
            f"{names[0]}, fed by {_sources(theirs, one)}",
            f"{names[1]}, fed by {_sources(ours, other)}",
            f"With the table that comes furthest these outputs are the first to differ; the data flows are {flow}.",
        ],
        "compare the options of the layers below, and what is computed before them",
    )


def ambiguity(solutions: Sequence[dict[int, int]], theirs: TorchTrace, ours: FlaxTrace) -> MismatchError:
    """The error of layers that could be exchanged."""
    lines, example = [], ""
    for place in theirs.order:
        possible = {table[place] for table in solutions}
        candidates = [ours.layers[other].names[0] for other in ours.order if other in possible]
        if len(candidates) > 1:
            lines.append(f"{theirs.layers[place]}: {' or '.join(candidates)}")
            example = example or f"known={{{theirs.layers[place].names[0]!r}: {candidates[0]!r}}}"
    return MismatchError(
        "align", f"{len(lines)} layers could be exchanged without a change of any output, so that nothing tells which "
        "is which", lines, f"say it for some of them, e.g. {example}",
    )  # fmt: skip


def _in_order(trace: TorchTrace | FlaxTrace) -> list[Layer]:
    return [trace.layers[place] for place in trace.order]


def _beyond(layers: list[Layer], others: list[Layer]) -> list[Layer]:
    """The layers that ``others`` has none left for."""
    left = Counter(layer.label for layer in others)
    found = []
    for layer in layers:
        left[layer.label] -= 1
        if left[layer.label] < 0:
            found.append(layer)
    return found


def _sources(trace: TorchTrace | FlaxTrace, node: Node) -> str:
    feeding = trace.graph.predecessors.get(node, frozenset())
    names = [trace.layers[place].names[0] or "the model" for place in trace.order if place in feeding]
    names += [f"{one[0]} {one[1]}" for one in sorted(other for other in feeding if not isinstance(other, int))]
    return ", ".join(names) or "nothing"
