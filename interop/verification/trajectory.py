"""Training steps on both sides: the parameters after each."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import nnx

from dilax.errors import DilaxError

from ..arrays import to_numpy
from ..optimizer import TorchOptimizer, optax_from_torch
from ..saving import state_dict
from .flax_side import FlaxSide
from .layouts import Array
from .nesting import parts
from .torch_side import TorchSide, copied, exact, tensors_of

#: Share of the largest gradient below which one is rounding alone: its exact value is 0.
VANISHING = 1e-9


def default_optimizer(module: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a comparison that is given none."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.SGD(trained, lr=0.01, momentum=0.9)


def converted_optimizer(
    optimizer: torch.optim.Optimizer, module: torch.nn.Module, model: nnx.Module
) -> optax.GradientTransformation:
    """The optax transformation that a PyTorch optimizer of a module is for the Flax model.

    Raises:
        ArgumentError: It has no equal here.
    """
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    groups = [
        [names[id(parameter)] for parameter in group["params"] if parameter.requires_grad]
        for group in optimizer.param_groups
    ]
    options = [
        {name: value for name, value in group.items() if not name.startswith("param")}
        for group in optimizer.param_groups
    ]
    return optax_from_torch(TorchOptimizer(type(optimizer).__name__, options, groups=groups), model)


def check_optimizer(optimizer: torch.optim.Optimizer, module: torch.nn.Module) -> None:
    """Raise a DilaxError unless an optimizer has made no step yet and moves this module's parameters."""
    if optimizer.state:
        raise DilaxError(
            "verify: the optimizer has made steps, so that it does not begin like a new one; pass a new optimizer."
        )
    own = {id(parameter) for parameter in module.parameters()}
    if not all(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        raise DilaxError(
            "verify: the optimizer moves parameters that are not the module's; make it with torch_module.parameters()."
        )


class TorchTrainer:
    """Makes steps with copies of a side's module.

    Args:
        side: The module's side.
        optimizer: Its optimizer, made of ``module``'s parameters.
        module: The module that ``side`` is a copy of.
    """

    def __init__(self, side: TorchSide, optimizer: torch.optim.Optimizer, module: torch.nn.Module) -> None:
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        self._side = side
        self._kind: Any = type(optimizer)
        self._groups = [
            {**group, "params": [names[id(parameter)] for parameter in group["params"]]}
            for group in optimizer.param_groups
        ]

    def run(self, inputs: list[Array], targets: Mapping[str, Array], steps: int) -> tuple[dict[str, Array], set[str]]:
        """Parameters after each step, along a new first axis; and names of those whose gradient vanishes in one."""
        self._side.restore()
        module = copied(self._side.module)
        named = dict(module.named_parameters())
        optimizer = self._kind(
            [{**group, "params": [named[name] for name in group["params"]]} for group in self._groups]
        )
        history: dict[str, list[Array]] = {name: [] for name in named}
        vanishing: set[str] = set()
        for _ in range(steps):
            optimizer.zero_grad()
            with exact():
                output = dict(parts(module(*tensors_of(module, inputs)), torch.Tensor))
                _torch_loss(output, targets).backward()
            vanishing |= vanishing_among({name: to_numpy(p.grad) for name, p in named.items() if p.grad is not None})
            optimizer.step()
            for name, parameter in named.items():
                history[name].append(to_numpy(parameter).copy())
        return {name: np.stack(arrays) for name, arrays in history.items()}, vanishing


class FlaxTrainer:
    """Makes steps from a side's model.

    Args:
        side: The model's side.
        transform: The optimizer.
    """

    def __init__(self, side: FlaxSide, transform: optax.GradientTransformation) -> None:
        self._side, self._transform = side, transform
        self._step = jax.jit(self._traced)

    def run(self, inputs: list[Array], targets: Mapping[str, Array], steps: int) -> dict[str, Array]:
        """Parameters after each step by PyTorch's keys, in PyTorch's layout, along a new first axis."""
        side, history = self._side, []
        with side.precision():
            dtype = jax.dtypes.canonicalize_dtype(np.float64)
            aims = {place: jnp.asarray(array, dtype) for place, array in targets.items()}
            params, rest, state = side.params, side.rest, self._transform.init(side.params)
            for _ in range(steps):
                params, rest, state = self._step(params, rest, state, tuple(inputs), aims)
                history.append(state_dict(nnx.merge(side.graph, params, rest, copy=True)))
        return {name: np.stack([one[name] for one in history]) for name in history[0]}

    def _traced(self, params: Any, rest: Any, state: Any, inputs: Any, targets: Any) -> Any:
        def loss(params: Any) -> Any:
            outputs, new_rest, _ = self._side.forward(params, rest, inputs)
            terms = [jnp.square(outputs[""][place] - aim).mean() / 2 for place, aim in targets.items()]
            return jnp.asarray(sum(terms), float), new_rest

        slopes, rest = jax.grad(loss, has_aux=True)(params)
        updates, state = self._transform.update(slopes, state, params)
        return optax.apply_updates(params, updates), rest, state


def _torch_loss(outputs: Mapping[str, torch.Tensor], targets: Mapping[str, Array]) -> Any:
    terms = [
        (outputs[place] - torch.as_tensor(np.ascontiguousarray(target)).to(outputs[place])).square().mean() / 2
        for place, target in targets.items()
    ]
    return torch.stack(terms).sum()


def vanishing_among(gradients: Mapping[str, Array]) -> set[str]:
    """Names of gradients that are rounding alone, beside the largest of all."""
    sizes = {name: float(np.abs(slope).max(initial=0.0)) for name, slope in gradients.items()}
    most = max(sizes.values(), default=0.0)
    return {name for name, size in sizes.items() if size <= VANISHING * most}
