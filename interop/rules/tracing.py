"""Go through a linen module in the order of its calls, which is PyTorch's order of definition as a rule."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
from flax import linen, traverse_util
from flax.core import meta

from dilax.errors import DilaxError

from .entry import Entry, Path, Slot
from .matching import Arrays, Layer, broadcast, inner, match

# Collections of variables that PyTorch has too: parameters, and buffers.
_COLLECTIONS = ("params", "batch_stats")


@dataclass
class _Trace:
    """What the calls of a module show.

    Attributes:
        layers: By path, in the order of their first calls.
        shapes: Of the arrays as the layers see them, by collection and path.
        normalized: By path of a weight normalisation, the path of the layer that it wraps, and its axes.
        names: Of layers inside another, by path: the name and the template that the outer one gives.
    """

    layers: dict[Path, Layer] = field(default_factory=dict)
    shapes: dict[Path, tuple[int, ...]] = field(default_factory=dict)
    normalized: dict[Path, tuple[Path, tuple[int, ...]]] = field(default_factory=dict)
    names: dict[Path, tuple[str, str]] = field(default_factory=dict)

    def __call__(self, method: Any, args: Any, kwargs: Any, context: Any) -> Any:
        """Note a call of a method, as ``linen.intercept_methods`` asks."""
        module = context.module
        path = tuple(module.path)
        if path not in self.layers:
            self._note(module, path)
        result = method(*args, **kwargs)
        for place, array in traverse_util.flatten_dict(meta.unbox(dict(module.variables))).items():
            self.shapes.setdefault((place[0], *path, *place[1:]), tuple(array.shape))
        return result

    def _note(self, module: Any, path: Path) -> None:
        name, template = self.names.get(path, (self._name(path), "{}"))
        self.layers[path] = Layer(module, path, name, template, _is_users(module))
        for attribute, change in inner(module).items():
            child = tuple(getattr(module, attribute).path)
            self.names[child] = name, template.format(change)
            if isinstance(module, linen.WeightNorm):
                axes = () if module.feature_axes is None else module.feature_axes
                self.normalized[path] = child, (axes,) if isinstance(axes, int) else tuple(axes)

    def _name(self, path: Path) -> str:
        if not path:
            return ""
        above = self.layers.get(path[:-1])
        start = above.name if above is not None else ".".join(path[:-1])
        # The layers of a list are numbered in PyTorch.
        last = path[-1].removeprefix("layers_") if above and isinstance(above.module, linen.Sequential) else path[-1]
        return f"{start}.{last}" if start else last


def trace(module: linen.Module, *inputs: Any) -> tuple[dict[str, Any], list[Layer], list[Entry]]:
    """Run a linen module's ``init`` without computing anything.

    Args:
        module: The module.
        inputs: What it is called with; arrays may be ``jax.ShapeDtypeStruct``.

    Returns:
        Its variables, nested dictionaries of ``jax.ShapeDtypeStruct`` that the entries' slots put arrays into; its
        layers; and every array that PyTorch has too, in the order in which the layers are called.

    Raises:
        DilaxError: A module holds arrays that no rule names, or the arrays of several layers are stacked in one.
    """
    found = _Trace()
    places = [place for place, value in enumerate(inputs) if hasattr(value, "shape") and hasattr(value, "dtype")]

    def init(arrays: list[Any]) -> Any:
        given = list(inputs)
        for place, array in zip(places, arrays, strict=True):
            given[place] = array
        with linen.intercept_methods(found):
            return module.init(jax.random.key(0), *given)

    shapes = jax.eval_shape(init, [inputs[place] for place in places])
    variables = meta.unbox({name: shapes[name] for name in _COLLECTIONS if name in shapes})
    arrays = Arrays()
    for path, value in traverse_util.flatten_dict(variables).items():
        if found.shapes.get(path, tuple(value.shape)) != tuple(value.shape):
            raise DilaxError(
                f"interop: {'.'.join(path[1:])} holds the arrays of several layers, as nn.scan and nn.vmap stack them, "
                "and PyTorch has one for each; write the layers out."
            )
        holder: Any = variables
        for key in path[:-1]:
            holder = holder[key]
        slot = Slot(path, value, partial(holder.__setitem__, path[-1]))
        arrays.held.setdefault(path[1:-1], {})[path[-1]] = slot
    _collect_scales(found, arrays)
    layers = list(found.layers.values())
    return variables, layers, match(layers, arrays)


def _collect_scales(found: _Trace, arrays: Arrays) -> None:
    for path, (child, axes) in found.normalized.items():
        held = arrays.held.pop(path, {})
        for name, slot in held.items():
            below = (*child, *name.split("/")[1:-1])  # the layer's name, the path below it, "scale"
            shape = arrays.shape(below[:-1], below[-1])
            assert shape is not None, name
            arrays.scales[below] = slot, broadcast(shape, axes)


def _is_users(module: Any) -> bool:
    first = next(kind for kind in type(module).__mro__ if kind.__module__.startswith("flax."))
    return first is linen.Module
