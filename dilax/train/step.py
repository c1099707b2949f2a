"""One training step and one prediction, compiled, on plain dictionaries of arrays."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float32, Int32

from ..errors import ArgumentError
from .arrays import Arrays, Skeleton, model_arrays
from .losses import cross_entropy


class TrainState(NamedTuple):
    """All that a step changes.

    Args:
        parameters: Name to array.
        variables: Batch statistics and random state, name to array.
        optimizer: State of the optimizer.
    """

    parameters: Arrays
    variables: Arrays
    optimizer: Any


class StepResult(NamedTuple):
    """What a step says about its batch, before the update.

    Args:
        loss: float32, 0-d.
        accuracy: Share of the voxels whose most likely class is the true one; float32, 0-d.
    """

    loss: Float32[Array, ""]
    accuracy: Float32[Array, ""]


class TrainStep(Protocol):
    """A compiled step."""

    def __call__(
        self,
        state: TrainState,
        image: Float32[Array, "n d h w c"],
        labels: Int32[Array, "n d h w"],
        learning_rate: float | None = None,
    ) -> tuple[TrainState, StepResult]:
        """Do a step; the arrays of the state passed in are gone afterwards."""


Predict = Callable[[Arrays, Float32[Array, "n d h w c"]], Int32[Array, "n d h w"]]


def make_optimizer(weight_decay: float) -> optax.GradientTransformationExtraArgs:
    """AdamW that takes its learning rate as an extra argument of ``update``, ``learning_rate``.

    So the rate is no part of the optimizer's state, and a resumed run can change it.
    """
    direction = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(weight_decay))

    def update(grads: Any, state: Any, params: Any = None, *, learning_rate: Any, **_: Any) -> tuple[Any, Any]:
        if learning_rate is None:
            raise ArgumentError("step", "learning_rate", None, "is needed by this optimizer", "pass a number")
        moves, state = direction.update(grads, state, params)
        return jax.tree.map(lambda move: -learning_rate * move, moves), state

    return optax.GradientTransformationExtraArgs(direction.init, update)


def initial_state(model: nnx.Module, optimizer: optax.GradientTransformation) -> TrainState:
    """Take a model's arrays and start the optimizer; the model keeps its own copy."""
    copies = {name: jnp.copy(array) for name, array in model_arrays(model, nnx.Param).items()}
    rest = model_arrays(model, nnx.Not(nnx.Param))
    variables = {name: jnp.copy(array) for name, array in rest.items()}
    return TrainState(copies, variables, optimizer.init(copies))


def make_train_step(model: nnx.Module, optimizer: optax.GradientTransformation) -> TrainStep:
    """Compile a step of cross-entropy on labelled volumes.

    Args:
        model: Maps (N, D, H, W, C) to logits (N, D, H, W, classes); put into training mode.
        optimizer: Any optax transformation; its updates carry sign and learning rate. One that takes
            ``learning_rate`` as an extra argument, as that of :func:`make_optimizer` does, gets the step's.

    Returns:
        ``step(state, image, labels, learning_rate) -> (state, StepResult)``, where the rate is for
        optimizers that take one. The state passed in is donated: its arrays are gone afterwards.
    """
    update = optax.with_extra_args_support(optimizer).update
    skeleton = Skeleton(_in_mode(model, training=True))

    def loss_of(
        parameters: Arrays, variables: Arrays, image: Array, labels: Array
    ) -> tuple[Array, tuple[Arrays, Array]]:
        built: Any = skeleton.build({**parameters, **variables})
        logits = built(image)
        return cross_entropy(logits, labels), (model_arrays(built, nnx.Not(nnx.Param)), logits)

    def step(
        state: TrainState, image: Array, labels: Array, learning_rate: Array | None = None
    ) -> tuple[TrainState, StepResult]:
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (variables, logits)), grads = gradient(state.parameters, state.variables, image, labels)
        updates, moments = update(grads, state.optimizer, state.parameters, learning_rate=learning_rate)
        parameters = optax.apply_updates(state.parameters, updates)
        accuracy = jnp.mean((jnp.argmax(logits, axis=-1) == labels).astype(jnp.float32))
        return TrainState(parameters, variables, moments), StepResult(loss, accuracy)

    compiled: TrainStep = jax.jit(step, donate_argnums=0)
    return compiled


def make_predict(model: nnx.Module) -> Predict:
    """Compile the prediction of the most likely class.

    Args:
        model: Maps (N, D, H, W, C) to logits (N, D, H, W, classes); put into evaluation mode.

    Returns:
        ``predict(arrays, image) -> labels``, where ``arrays`` are all of the model's, by name.
    """
    skeleton = Skeleton(_in_mode(model, training=False))

    def predict(arrays: Arrays, image: Array) -> Array:
        built: Any = skeleton.build(arrays)
        return jnp.argmax(built(image), axis=-1).astype(jnp.int32)

    compiled: Predict = jax.jit(predict)
    return compiled


def _in_mode(model: Any, *, training: bool) -> nnx.Module:
    model.train() if training else model.eval()
    changed: nnx.Module = model
    return changed
