"""Colours of graphs, and data flow through jaxprs and torch's operations."""

import jax
import jax.numpy as jnp
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interop.alignment.graph import Graph, coloured
from interop.alignment.jaxpr import Flow
from interop.alignment.torch_tracing import trace_torch


def graph(labels, predecessors):
    return Graph(labels, dict.fromkeys(labels, ()), {node: frozenset(predecessors.get(node, ())) for node in labels})


@st.composite
def pairs(draw):
    """A random graph without cycles, and the same with its nodes renumbered."""
    count = draw(st.integers(1, 9))
    labels = {node: draw(st.sampled_from("ab")) for node in range(count)}
    edges = {node: draw(st.sets(st.integers(0, node - 1))) if node else set() for node in range(count)}
    numbers = draw(st.permutations(range(count)))
    renamed = {numbers[node]: {numbers[other] for other in sources} for node, sources in edges.items()}
    return graph(labels, edges), graph({numbers[node]: label for node, label in labels.items()}, renamed), numbers


@given(pairs())
def test_colours_never_part_nodes_that_correspond(drawn):
    theirs, ours, numbers = drawn
    pair = coloured(theirs, ours)
    assert pair.alike
    for node, number in enumerate(numbers):
        assert pair.colours[0][node] == pair.colours[1][number]
    while len(pair.matched()) < len(numbers):  # nor does it contradict the data flow to put true pairs in
        node = next(node for node in range(len(numbers)) if node not in pair.matched())
        pair = pair.singled(node, numbers[node])
    assert pair.matched() == dict(enumerate(numbers))


@given(pairs())
def test_an_edge_more_is_noticed(drawn):
    theirs, ours, numbers = drawn
    more = {node: set(sources) for node, sources in ours.predecessors.items()}
    missing = [
        (numbers[i], numbers[j]) for j in range(len(numbers)) for i in range(j) if i not in theirs.predecessors[j]
    ]
    if missing:
        source, node = missing[0]
        more[node].add(source)
        assert not coloured(theirs, graph(ours.labels, more)).alike


def layer(place, x):
    with jax.named_scope(f"layer{place}"):
        return jnp.sin(x)


def flow(function, *shapes):
    found = Flow(lambda stack: int(str(stack).partition("layer")[2][:1]) if "layer" in str(stack) else None)
    jaxpr = jax.make_jaxpr(function)(*(jnp.ones(shape) for shape in shapes)).jaxpr
    return found.run(jaxpr, [{("input", i)} for i in range(len(shapes))]), found.edges


X, Y = ("input", 0), ("input", 1)


@pytest.mark.parametrize(
    ("function", "results", "edges"),
    [
        (lambda x, y: (layer(1, x) + y, y * 2), [{1, Y}, {Y}], {1: {X}}),
        (jax.jit(lambda x, y: (layer(2, layer(1, y)), x)), [{2}, {X}], {1: {Y}, 2: {1}}),
        (jax.checkpoint(lambda x, y: layer(1, x) * y), [{1, Y}], {1: {X}}),
        (jax.vmap(lambda x, y: layer(2, layer(1, x) + y)), [{2}], {1: {X}, 2: {1, Y}}),
        (lambda x, y: jax.lax.cond(x[0] > 0, lambda: layer(1, y), lambda: layer(2, y)), [{X, 1, 2}], {1: {Y}, 2: {Y}}),
        (lambda x, y: jax.lax.scan(lambda c, a: ((c[1], layer(1, c[0])), a), (x, y), y)[0], [{Y, 1}, {1}], {1: {X, Y}}),
        (lambda x, y: jax.nn.relu(layer(1, x)) * jnp.ones_like(y), [{1}], {1: {X}}),
    ],
    ids=["plain", "jit", "checkpoint", "vmap", "cond", "scan", "custom_jvp"],
)  # fmt: skip
def test_flow_through_jaxprs(function, results, edges):
    assert flow(function, (2,), (2,)) == (results, edges)


class Tricks(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (torch.nn.Linear(3, 3) for _ in range(3))
        self.norm = torch.nn.LayerNorm(3, elementwise_affine=False)

    def forward(self, x):
        y = self.a(x)
        y[:, 0] = self.b(x)[:, 1]  # a change in place, through a view
        z = self.c(torch.relu_(y.view(-1, 3).clone()))
        return self.norm(z), z.new_zeros(2) + torch.ones_like(y).sum()


def test_flow_through_torchs_views_changes_in_place_and_layers_without_arrays():
    trace = trace_torch(Tricks(), [torch.rand(2, 3)])
    assert [layer.names for layer in trace.layers] == [("a",), ("b",), ("c",)]
    assert trace.graph.predecessors == {
        0: {X}, 1: {X}, 2: {0, 1}, X: set(), ("output", 0): {2}, ("output", 1): set(),
    }  # fmt: skip
