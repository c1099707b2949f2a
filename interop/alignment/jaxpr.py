"""Follow values through a jaxpr from layer to layer."""

from collections.abc import Callable, Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from .graph import Edges, Node

Sources = set[Node]


class Flow:
    """Where the values of a jaxpr come from.

    What a layer computes comes from that layer alone, and what it reads from others are its edges.

    Args:
        place: Says from an equation's name stack which layer computed it, if one did.

    Attributes:
        edges: The nodes that feed each layer.
    """

    def __init__(self, place: Callable[[Any], int | None]) -> None:
        self.edges: Edges = {}
        self._place = place

    def run(self, jaxpr: Jaxpr, inputs: Sequence[Sources]) -> list[Sources]:
        """Where the results come from, given where the inputs do."""
        known: dict[Any, Sources] = dict(zip(jaxpr.invars, inputs, strict=True))

        def read(variable: Any) -> Sources:
            return set() if isinstance(variable, Literal) else known.get(variable, set())

        for equation in jaxpr.eqns:
            operands = [read(variable) for variable in equation.invars]
            place = self._place(equation.source_info.name_stack)
            if place is None:
                results = self._inside(equation, operands)
            else:
                self.edges.setdefault(place, set()).update(set().union(*operands) - {place})
                results = [{place}] * len(equation.outvars)
            known.update(zip(equation.outvars, results, strict=True))
        return [read(variable) for variable in jaxpr.outvars]

    def _inside(self, equation: Any, operands: list[Sources]) -> list[Sources]:
        """Where an equation's results come from; through the jaxprs in it where their arguments are the operands."""
        if equation.primitive.name == "cond":
            condition, *rest = operands
            branches = [self.run(branch.jaxpr, rest) for branch in equation.params["branches"]]
            return [condition.union(*results) for results in zip(*branches, strict=True)]
        inner = next((found for value in equation.params.values() if (found := _jaxpr(value)) is not None), None)
        if inner is None or len(inner.invars) != len(operands) or len(inner.outvars) != len(equation.outvars):
            return [set().union(*operands)] * len(equation.outvars)
        if equation.primitive.name != "scan":
            return self.run(inner, operands)
        first, count = equation.params["num_consts"], equation.params["num_carry"]
        while True:  # a carried value comes from wherever any step takes it
            results = self.run(inner, operands)
            carried = [operands[first + i] | results[i] for i in range(count)]
            if carried == operands[first : first + count]:
                return results
            operands[first : first + count] = carried


def _jaxpr(value: Any) -> Jaxpr | None:
    if isinstance(value, ClosedJaxpr):
        return value.jaxpr
    return value if isinstance(value, Jaxpr) else None
