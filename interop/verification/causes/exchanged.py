"""Arrays, layers or channels that stand in each other's place."""

import itertools

import torch

from .case import Case, same

# Pairs of children of one module that are tried at most.
_PAIRS = 100


def exchanged_arrays(case: Case) -> str | None:
    """Whether Flax has the arrays of another layer, or two of the layer's own exchanged."""
    own = case.arrays()
    for first, second in itertools.combinations(own, 2):
        alike = own[first].shape == own[second].shape and own[first].dtype == own[second].dtype
        if alike and case.explains(case.with_arrays({first: own[second], second: own[first]})):
            return f"exchanged arrays: {first} and {second} of this layer are exchanged"
    shapes = {name: array.shape for name, array in own.items()}
    for path, other in case.whole.named_modules() if case.whole is not None and own else ():
        arrays = dict([*other.named_parameters(recurse=False), *other.named_buffers(recurse=False)])
        if path == case.path or {name: array.shape for name, array in arrays.items()} != shapes:
            continue
        for names in (tuple(own), *((name,) for name in own)):
            if case.explains(case.with_arrays({name: arrays[name].detach() for name in names})):
                what = "arrays" if names == tuple(own) else names[0]
                return f"exchanged arrays: Flax has here the {what} of {path}"
    return None


def exchanged_branches(case: Case) -> str | None:
    """Whether two parts of a module stand in each other's place in its own code."""
    children = [name for name, _ in case.layer.named_children()]
    layer = case.changed()
    for first, second in itertools.islice(itertools.combinations(children, 2), _PAIRS):
        one, other = getattr(layer, first), getattr(layer, second)
        setattr(layer, first, other)
        setattr(layer, second, one)
        if case.explains(layer):
            return f"exchanged branches: {first} and {second} stand in each other's place in its code"
        setattr(layer, first, one)
        setattr(layer, second, other)
    return None


def channel_order(case: Case) -> str | None:
    """Whether Flax gives the same channels in another order."""
    for place, given in case.given.items():
        expected = case.expected.get(place)
        if expected is None or expected.shape != given.shape or not given.is_floating_point():
            continue
        for axis in dict.fromkeys((min(1, given.ndim - 1), given.ndim - 1)):
            order = _order(expected.movedim(axis, 0), given.movedim(axis, 0))
            if order is not None:
                shown = ", ".join(map(str, order[:8])) + (", …" if len(order) > 8 else "")
                return f"channel order: Flax has PyTorch's channels in the order {shown}"
    return None


def _order(expected: torch.Tensor, given: torch.Tensor) -> list[int] | None:
    """For each of the given slices, which of the expected ones it is; None unless all are some."""
    count = len(expected)
    if count < 2 or not expected.numel():
        return None
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(expected[0].numel(), generator=generator, dtype=torch.float64)
    marks = [array.reshape(count, -1).double().cpu() @ weights for array in (expected, given)]
    order = torch.empty(count, dtype=torch.long)
    order[marks[1].argsort()] = marks[0].argsort()
    return order.tolist() if same(expected.cpu()[order], given.cpu()) else None
