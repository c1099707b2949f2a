"""Propose a table of names and prove it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import torch
from flax import nnx

from dilax.errors import ArgumentError, MismatchError, nearest

from ..arrays import to_numpy
from ..loading import load
from ..randomising import randomise
from ..verification.measures import FLOAT64_LIMIT
from ..verification.torch_side import copied
from .comparing import layer_error, result_error
from .flax_tracing import FlaxTrace
from .graph import Pair, coloured
from .refusing import ambiguity, check_layers, check_names, no_table
from .report import AlignedLayer, Alignment
from .search import Search
from .torch_tracing import TorchTrace, trace_torch
from .tracing import Array


def align(
    torch_module: torch.nn.Module, model: nnx.Module, inputs: Any, *, known: Mapping[str, str] | None = None
) -> Alignment:
    """Find out which layer of a Flax model is which layer of a PyTorch module, whatever their names.

    Both run on copies, in float64 and in evaluation mode: neither argument changes.
    How it goes about it: :mod:`interop.alignment`.

    Args:
        torch_module: The PyTorch module.
        model: The Flax model, of layers that :mod:`interop.rules` knows; its numbers do not matter.
        inputs: An array, or a tuple of them, as the Flax model takes them: feature maps ``(N, *spatial, C)``.
        known: Paths of layers in Flax by their names in PyTorch, where you know them; only needed where layers
            could be exchanged.

    Returns:
        The table and its proof. ``interop.load(model, state_dict, rename=result.rename)`` uses it.

    Raises:
        MismatchError: The models have different layers, no table gives PyTorch's outputs, or more than one does.
        ArgumentError: ``known`` names a layer that is not there, or two layers of different types or shapes.
        DilaxError: A layer has no rule, or too many tables are possible.
    """
    arrays = [_double(x) for x in (inputs if isinstance(inputs, tuple | list) else (inputs,))]
    ours = FlaxTrace(model, arrays)
    tensors = [torch.from_numpy(_for_torch(x, ours, index)) for index, x in enumerate(arrays)]
    truth = copied(torch_module).cpu().double().eval().requires_grad_()
    # Initial values such as zeros, and copies of one layer, would hide differences from the search.
    probe = randomise(copied(truth))
    theirs = trace_torch(probe, tensors)
    check_layers(theirs, ours)
    pair = _with_known(coloured(theirs.graph, ours.graph), theirs, ours, known or {})
    search = Search(theirs, ours, _numbers(probe))
    search.run(pair)
    final = trace_torch(truth, tensors)
    if len(search.solutions) != 1:
        # Flax's own recurrent layers cannot hold all numbers, and random ones may give no number (a root, a logarithm).
        own = Search(final, ours, _numbers(truth))
        own.run(pair)
        search = own if own.solutions else search
    if not search.solutions:
        raise no_table(search, theirs, ours, alike=pair.alike)
    if len(search.solutions) > 1:
        raise ambiguity(search.solutions, theirs, ours)
    check_names(theirs, ours, search.solutions[0])
    return _proven(search.solutions[0], final, ours, _numbers(truth))


def _double(x: Any) -> Array:
    array = to_numpy(x)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _for_torch(array: Array, ours: FlaxTrace, index: int) -> Array:
    """An input as PyTorch takes it: the layers that it first meets, if any, say whether it is a feature map."""
    meeting = [
        ours.layers[node]
        for node, sources in ours.graph.predecessors.items()
        if isinstance(node, int) and ("input", index) in sources
    ]
    maps = any(layer.channels for layer in meeting or ours.layers)
    moved = np.moveaxis(array, -1, 1) if maps and array.ndim >= 3 and array.dtype.kind == "f" else array
    return np.array(moved, np.int64 if array.dtype.kind in "iu" else None, order="C")


def _numbers(module: torch.nn.Module) -> dict[str, Array]:
    return {key: to_numpy(tensor) for key, tensor in module.state_dict().items()}


def _with_known(pair: Pair, theirs: TorchTrace, ours: FlaxTrace, known: Mapping[str, str]) -> Pair:
    """The colours once what the user knows is put in."""
    for torch_name, flax_name in known.items():
        places = []
        for side, trace, name in (("PyTorch module", theirs, torch_name), ("Flax model", ours, flax_name)):
            names = {one: place for place, layer in enumerate(trace.layers) for one in layer.names}
            if name not in names:
                rule = f"names a layer with arrays that the {side} does not have: {name!r}{nearest(name, names)}"
                raise ArgumentError(
                    "align", "known", dict(known), rule, "pass names of layers, as a refusal lists them"
                )
            places.append(names[name])
        one, other = places
        same = pair.colours[0][one] == pair.colours[1][other]
        narrowed = pair.singled(one, other) if same else None
        if narrowed is None:
            raise ArgumentError(
                "align", "known", dict(known), f"pairs {theirs.layers[one]} with {ours.layers[other]}, which differs "
                "from it in type, shapes or place in the data flow", "leave it out, and read what is refused then",
            )  # fmt: skip
        pair = narrowed
    return pair


def _proven(table: dict[int, int], theirs: TorchTrace, ours: FlaxTrace, numbers: Mapping[str, Array]) -> Alignment:
    """The table, once the Flax model was filled through it and gave PyTorch's outputs with the module's own numbers."""
    pairs = [
        (place, AlignedLayer(old, new, layer.type_name, layer.arrays, None))
        for place in theirs.order
        for layer in [theirs.layers[place]]
        for old, new in zip(layer.names, ours.layers[table[place]].names, strict=True)
    ]
    names = Alignment(tuple(layer for _, layer in pairs), float("inf"), theirs.not_run).rename
    with jax.enable_x64(True):
        load(ours.copy, numbers, rename=names)
    values = ours.run_model(ours.copy)
    layers = []
    for place, layer in pairs:
        outputs = values.layers.get(table[place], [])
        layers.append(replace(layer, error=layer_error(theirs.values.layers.get(place, []), outputs)))
    error = result_error(theirs.values.results, values.results)
    if error > FLOAT64_LIMIT:
        raise MismatchError(
            "align", f"the table is the only one that fits, but the outputs differ by {error:.1e} in float64",
            [f"{layer.torch_name} is {layer.flax_name}: {layer.error or 0:.1e}" for layer in layers],
            "look at the first layer whose error is large",
        )  # fmt: skip
    return Alignment(tuple(layers), error, theirs.not_run)
