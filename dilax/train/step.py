"""One training step and one prediction, compiled, on plain dictionaries of arrays."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float32, Int, Int32

from .arrays import Arrays, Skeleton, model_arrays
from .config import ComputeConfig
from .forward import make_forward
from .objective import Objective, Totals, logits_of


class TrainState(NamedTuple):
    """All that a step changes.

    Args:
        parameters: Name to array.
        variables: Batch statistics and random state, name to array.
        optimizer: State of the optimizer.
        average: Running mean of the parameters, name to array; empty where none is kept.
    """

    parameters: Arrays
    variables: Arrays
    optimizer: Any
    average: Arrays

    @property
    def evaluated(self) -> Arrays:
        """All arrays of the model that is evaluated: with the mean of the parameters, where one is kept."""
        return {**self.parameters, **self.variables, **self.average}


class StepResult(NamedTuple):
    """What a step says about its batch; loss and accuracy are those before the update.

    Args:
        loss: Of the batch, 0-d.
        accuracy: Share of the labels that are the most likely class, but for those ignored; float32, 0-d.
        finite: Whether the loss is, and all parameters after the update; 0-d.
    """

    loss: Array
    accuracy: Float32[Array, ""]
    finite: Bool[Array, ""]


class TrainStep(Protocol):
    """A compiled step."""

    def __call__(
        self,
        state: TrainState,
        image: Float32[Array, "n *space c"],
        labels: Int32[Array, "n *space"],
        learning_rate: float | None = None,
    ) -> tuple[TrainState, StepResult]:
        """Do a step; the arrays of the state passed in are gone afterwards."""


Predict = Callable[[Arrays, Float32[Array, "n *space c"]], Int32[Array, "n *space"]]


def initial_state(model: nnx.Module, optimizer: optax.GradientTransformation, *, average: bool = False) -> TrainState:
    """Take a model's arrays and start the optimizer; the model keeps its own copy.

    Args:
        model: Any NNX module.
        optimizer: What will train it.
        average: Whether a running mean of the parameters is kept; it begins as the parameters.
    """
    copies = {name: jnp.copy(array) for name, array in model_arrays(model, nnx.Param).items()}
    rest = model_arrays(model, nnx.Not(nnx.Param))
    variables = {name: jnp.copy(array) for name, array in rest.items()}
    mean = {name: jnp.copy(array) for name, array in copies.items()} if average else {}
    return TrainState(copies, variables, optimizer.init(copies), mean)


def make_train_step(
    model: nnx.Module,
    optimizer: optax.GradientTransformation,
    objective: Objective | None = None,
    *,
    compute: ComputeConfig | None = None,
    shardings: Any = None,
) -> TrainStep:
    """Compile a training step.

    Args:
        model: Maps (N, ..., C) to logits (N, ..., classes), or to a mapping of ``"out"`` and perhaps ``"aux"`` to such;
            put into training mode.
        optimizer: Any optax transformation; its updates carry sign and learning rate. One that takes
            ``learning_rate`` as an extra argument, as that of :func:`make_optimizer` does, gets the step's.
        objective: The loss; cross-entropy if None, with 0.4 times that of ``"aux"``.
        compute: How to compute it; a running mean is kept if its ``average`` is above 0, and the state has to have one.
        shardings: Where the new state and the result belong, as a pair; left to JAX if None.

    Returns:
        ``step(state, image, labels, learning_rate) -> (state, StepResult)``, where the rate is for
        optimizers that take one. The state passed in is donated: its arrays are gone afterwards.
    """
    objective, compute = objective or Objective(), compute or ComputeConfig()
    update = optax.with_extra_args_support(optimizer).update
    gradient = _make_gradient(model, objective, compute)

    def step(
        state: TrainState, image: Array, labels: Array, learning_rate: Array | None = None
    ) -> tuple[TrainState, StepResult]:
        grads, variables, loss, accuracy = gradient(state.parameters, state.variables, image, labels)
        updates, moments = update(grads, state.optimizer, state.parameters, learning_rate=learning_rate)
        parameters = optax.apply_updates(state.parameters, updates)
        average = optax.incremental_update(parameters, state.average, 1 - compute.average) if compute.average else {}
        finite = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(parameters))
        return TrainState(parameters, variables, moments, average), StepResult(loss, accuracy, finite)

    placed = {} if shardings is None else {"out_shardings": shardings}
    compiled: TrainStep = jax.jit(step, donate_argnums=0, **placed)
    return compiled


class _Sums(NamedTuple):
    """What parts of a batch add up to."""

    grads: Any
    loss: Any
    right: Any


def _make_gradient(model: nnx.Module, objective: Objective, compute: ComputeConfig) -> Callable[..., Any]:
    """``gradient(parameters, variables, image, labels) -> (grads, variables, loss, accuracy)``."""
    forward = make_forward(Skeleton(_in_mode(model, training=True)), compute)

    def loss_of(
        parameters: Arrays, variables: Arrays, image: Array, labels: Array, totals: Totals
    ) -> tuple[Array, tuple[Arrays, Array]]:
        outputs, variables = forward(parameters, variables, image)
        right = _count_right(logits_of(outputs), labels, objective.ignore_index)
        return objective(outputs, labels, totals), (variables, right)

    def part(parameters: Arrays, variables: Arrays, piece: tuple[Array, ...], totals: Totals) -> tuple[Arrays, _Sums]:
        differentiate = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (variables, right)), grads = differentiate(parameters, variables, *piece, totals)
        return variables, _Sums(grads, loss, right)

    def gradient(
        parameters: Arrays, variables: Arrays, image: Array, labels: Array
    ) -> tuple[Arrays, Arrays, Array, Array]:
        totals = objective.totals(labels)

        def add(carry: tuple[Arrays, _Sums], piece: tuple[Array, ...]) -> tuple[tuple[Arrays, _Sums], None]:
            variables, sums = part(parameters, carry[0], piece, totals)
            return (variables, jax.tree.map(jnp.add, carry[1], sums)), None

        pieces = _parts(compute.accumulate, image, labels)
        carry = part(parameters, variables, tuple(array[0] for array in pieces), totals)
        if compute.accumulate > 1:
            carry, _ = jax.lax.scan(add, carry, tuple(array[1:] for array in pieces))
        variables, sums = carry
        counted = labels.size if objective.ignore_index is None else jnp.sum(labels != objective.ignore_index)
        return sums.grads, variables, sums.loss, (sums.right / jnp.maximum(counted, 1)).astype(jnp.float32)

    return gradient


def _parts(count: int, *arrays: Array) -> tuple[Array, ...]:
    """A new first axis of parts, each of every ``count``-th image, so that those of a part lie on all devices."""
    return tuple(jnp.moveaxis(array.reshape(-1, count, *array.shape[1:]), 1, 0) for array in arrays)


def _count_right(logits: Array, labels: Int[Array, "*shape"], ignore_index: int | None) -> Int32[Array, ""]:
    right = jnp.argmax(logits, axis=-1) == labels
    if ignore_index is not None:
        right &= labels != ignore_index
    return jnp.sum(right, dtype=jnp.int32)


def make_predict(model: nnx.Module, *, mesh: Mesh | None = None) -> Predict:
    """Compile the prediction of the most likely class, once for each shape.

    Args:
        model: As for :func:`make_train_step`; put into evaluation mode.
        mesh: Devices in a row; each predicts an equal share of the images by itself. JAX's default device if None.

    Returns:
        ``predict(arrays, image) -> labels``, where ``arrays`` are all of the model's, by name, on all of these devices;
        where the model pads its input at the far end, what lies outside the image is cut off.
    """
    skeleton = Skeleton(_in_mode(model, training=False))

    def predict(arrays: Arrays, image: Array) -> Array:
        built: Any = skeleton.build(arrays)
        predicted = jnp.argmax(logits_of(built(image)), axis=-1).astype(jnp.int32)
        return predicted[(slice(None), *map(slice, image.shape[1:-1]))]

    if mesh is not None:
        split = P(*mesh.axis_names)
        predict = jax.shard_map(predict, mesh=mesh, in_specs=(P(), split), out_specs=split, check_vma=False)
    compiled: Predict = jax.jit(predict)
    return compiled


def _in_mode(model: Any, *, training: bool) -> nnx.Module:
    model.train() if training else model.eval()
    changed: nnx.Module = model
    return changed
