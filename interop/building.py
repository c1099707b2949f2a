"""torch.nn layer -> Flax layer, options and numbers."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import dilax.nn
from dilax.errors import DilaxError, nearest

from .loading import load
from .reparametrizing import layer_type, reparametrize
from .rules import TORCH_RULES

_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
# Where the layers live that rules name; a class of the same name elsewhere is another layer.
_HOMES = ("torch.nn.", "torchvision.ops.misc")


def from_torch(module: Any, *, rngs: nnx.Rngs | None = None) -> Any:
    """Make the Flax layer that a layer of ``torch.nn`` is, with its options, its numbers and its mode.

    Containers (``Sequential``, ``ModuleList``, ``ModuleDict``) of such layers are made too. For a module with a
    ``forward`` of its own, write the Flax module and fill it with :func:`interop.load`.

    Args:
        module: A layer of ``torch.nn``, or a container of them.
        rngs: Where the masks of dropouts come from; seed 0 if None.

    Returns:
        A layer of :mod:`dilax.nn`. It takes feature maps with channels last; an argument that names an axis, such as
        the ``dim`` of a softmax, counts the axes of the array that the layer is given.

    Raises:
        DilaxError: No rule says what a layer is in Flax, or an option of it has no equal.
    """
    # Initial values are overwritten, so they come from the generator that compiles fastest.
    quick = jax.random.key(0, impl="unsafe_rbg")
    layer = _build(module, "", nnx.Rngs(params=quick, dropout=(rngs or nnx.Rngs(0))["dropout"]()))
    arrays = module.state_dict()
    if arrays:
        load(layer, arrays)
    return layer


def _build(module: Any, path: str, rngs: nnx.Rngs) -> Any:
    kind = layer_type(module).__name__
    ours = layer_type(module).__module__.startswith(_HOMES)
    if ours and kind in _CONTAINERS:
        children = {
            name: _build(child, f"{path}.{name}" if path else name, rngs) for name, child in module.named_children()
        }
        if kind == "ModuleDict":
            return nnx.Dict(children)
        return (dilax.nn.Sequential if kind == "Sequential" else nnx.List)(children.values())
    if not ours or kind not in TORCH_RULES:
        hint = nearest(kind, TORCH_RULES)
        raise DilaxError(
            f"from_torch: no rule says what {path or 'the module'} ({kind}) is in Flax{hint}; "
            "write the Flax module and fill it with interop.load."
        )
    rule = TORCH_RULES[kind]
    options = rule.options(module)
    accepted = inspect.signature(rule.flax_type.__init__).parameters
    options |= {name: value for name, value in (("dtype", _dtype(module)), ("rngs", rngs)) if name in accepted}
    for name in rule.children:
        child = getattr(module, name)
        options[name] = None if child is None else _build(child, f"{path}.{name}" if path else name, rngs)
    layer = rule.flax_type(**options)
    reparametrize(layer, module, rule, rngs=rngs, path=path)
    layer.train() if module.training else layer.eval()
    return layer


def _dtype(module: Any) -> Any:
    """Dtype of a PyTorch layer's parameters, or of its statistics where it has none."""
    arrays = [*module.parameters(), *module.buffers()]
    return jnp.dtype(str(arrays[0].dtype).removeprefix("torch.")) if arrays else jnp.dtype(jnp.float32)
