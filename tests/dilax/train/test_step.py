from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from dilax import models
from dilax.nn import Conv
from dilax.train import (
    ComputeConfig,
    LossConfig,
    Objective,
    OptimizerConfig,
    initial_state,
    make_optimizer,
    make_predict,
    make_train_step,
)
from dilax.train.step import TrainState


def _batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(2, 5, 7, 6, 1)).astype(np.float32)
    return image, rng.integers(3, size=image.shape[:-1]).astype(np.int32)


def _copy(state: TrainState) -> TrainState:
    return jax.tree.map(jnp.copy, state)


def test_steps_are_those_of_adamw_written_out(tiny: Any) -> None:
    model, rates = tiny(), [0.1, 0.02, 0.3]
    optimizer = make_optimizer(OptimizerConfig(weight_decay=0.05))
    state = initial_state(model, optimizer)
    step = make_train_step(model, optimizer)
    moments = dict.fromkeys(state.parameters, (0.0, 0.0))
    for done, rate in enumerate(rates, start=1):
        image, labels = _batch(done)
        before = {k: np.asarray(v, np.float64) for k, v in state.parameters.items()}
        gradients = _gradients(model, _copy(state), image, labels)
        state, _ = step(state, image, labels, rate)
        for name, g in gradients.items():
            if name == "first.bias":
                continue  # the normalisation behind it makes its gradient 0 but for rounding
            first, second = moments[name]
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            moments[name] = first, second
            move = first / (1 - 0.9**done) / (np.sqrt(second / (1 - 0.999**done)) + 1e-8)
            expected = before[name] - rate * (move + 0.05 * before[name])
            np.testing.assert_allclose(state.parameters[name], expected, rtol=2e-5, atol=2e-5)


def test_statistics_and_random_state_move(tiny: Any) -> None:
    model, optimizer = tiny(), make_optimizer(OptimizerConfig(weight_decay=0))
    state = initial_state(model, optimizer)
    before = _copy(state)
    after, result = make_train_step(model, optimizer)(state, *_batch(), 0.1)
    assert int(after.variables["dropout.rngs.count"]) == 1
    assert not np.array_equal(after.variables["norm.mean"], before.variables["norm.mean"])
    assert int(after.optimizer[0].count) == 1
    assert 0 <= float(result.accuracy) <= 1
    # The model that was passed in is not touched.
    np.testing.assert_array_equal(model.norm.mean[...], before.variables["norm.mean"])
    np.testing.assert_array_equal(model.first.kernel[...], before.parameters["first.kernel"])


def test_the_learning_rate_is_an_argument_and_not_a_compilation(tiny: Any) -> None:
    model, optimizer = tiny(), make_optimizer(OptimizerConfig(weight_decay=0))
    step: Any = make_train_step(model, optimizer)
    state = initial_state(model, optimizer)
    kept = _copy(state)
    for rate in (0.0, 0.1, 0.2):
        state, _ = step(_copy(kept), *_batch(), rate)
        unchanged = np.array_equal(state.parameters["first.kernel"], kept.parameters["first.kernel"])
        assert unchanged == (rate == 0)
    assert step._cache_size() == 1


def test_any_optax_transformation_brings_its_own_rate(tiny: Any) -> None:
    model, optimizer = tiny(), optax.sgd(optax.piecewise_constant_schedule(0.2, {1: 0.5}))
    state = initial_state(model, optimizer)
    step = make_train_step(model, optimizer)
    for rate in (0.2, 0.1):
        before = {k: np.asarray(v, np.float64) for k, v in state.parameters.items()}
        gradients = _gradients(model, _copy(state), *_batch())
        state, _ = step(state, *_batch())
        for name, gradient in gradients.items():
            np.testing.assert_allclose(state.parameters[name], before[name] - rate * gradient, rtol=1e-5, atol=1e-6)


def test_the_state_is_donated(tiny: Any) -> None:
    model, optimizer = tiny(), make_optimizer(OptimizerConfig(weight_decay=0))
    state = initial_state(model, optimizer)
    make_train_step(model, optimizer)(state, *_batch(), 0.1)
    assert all(array.is_deleted() for array in state.parameters.values())


def test_prediction_is_the_most_likely_class_in_evaluation_mode(tiny: Any) -> None:
    model = tiny()
    predict = make_predict(model)
    state = initial_state(model, optax.identity())
    image, _ = _batch()
    arrays = {**state.parameters, **state.variables}
    arrays["norm.mean"] = jnp.array([0.3, -0.2, 0.1, 0.4])
    labels = predict(arrays, jnp.asarray(image))
    assert labels.dtype == jnp.int32
    model.norm.mean[...] = arrays["norm.mean"]
    logits = np.asarray(model(image))
    np.testing.assert_array_equal(labels, logits.argmax(-1))


class TwoHeads(nnx.Module):
    """Two heads, and nothing by which the images of a batch see each other."""

    def __init__(self, *, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.first = Conv(2, 5, (3, 3), padding=2, dilation=2, rngs=rngs)
        self.last = Conv(5, 3, (1, 1), rngs=rngs)
        self.second = Conv(5, 3, (1, 1), rngs=rngs)

    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        x = jax.nn.gelu(self.first(x))
        return {"out": self.last(x), "aux": self.second(x)}


def _images(count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    image = rng.normal(size=(count, 7, 9, 2))
    labels = rng.integers(3, size=image.shape[:-1]).astype(np.int32)
    return image, np.where(rng.random(labels.shape) < 0.1 * np.arange(count)[:, None, None], 255, labels)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [3])
def test_parts_of_a_batch_give_the_step_of_the_whole(accumulate: int) -> None:
    found = []
    objective = Objective(LossConfig(focal=1, dice=1), class_weights=(1, 3, 0.5), ignore_index=255)
    with jax.enable_x64(True):
        for parts in (1, accumulate):
            model = TwoHeads()
            optimizer = make_optimizer()
            state = jax.tree.map(_wide, initial_state(model, optimizer))
            step = make_train_step(model, optimizer, objective, compute=ComputeConfig(accumulate=parts))
            for _ in range(2):
                state, result = step(state, *_images(), 0.1)
            found.append((state, result))
        (whole, result), (summed, other) = found
        np.testing.assert_allclose(other.loss, result.loss, rtol=1e-13)
        assert other.accuracy == result.accuracy
        for name, array in whole.parameters.items():
            # Adam divides what is left of a gradient by itself, so errors are larger than rounding.
            np.testing.assert_allclose(summed.parameters[name], array, rtol=1e-9, atol=1e-11)


def _wide(array: jax.Array) -> jax.Array:
    return array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array


def test_statistics_and_random_state_go_through_all_parts(tiny: Any) -> None:
    model, optimizer = tiny(), make_optimizer()
    step = make_train_step(model, optimizer, compute=ComputeConfig(accumulate=2))
    state, _ = step(initial_state(model, optimizer), *_batch(), 0.1)
    assert int(state.variables["dropout.rngs.count"]) == 2


def test_the_mean_of_the_parameters_follows_them(tiny: Any) -> None:
    model, optimizer = tiny(), make_optimizer()
    state = initial_state(model, optimizer, average=True)
    expected = {name: np.asarray(array) for name, array in state.parameters.items()}
    step = make_train_step(model, optimizer, compute=ComputeConfig(average=0.75))
    for seed in range(3):
        state, _ = step(state, *_batch(seed), 0.1)
        expected = {name: 0.75 * mean + 0.25 * state.parameters[name] for name, mean in expected.items()}
    for name, array in expected.items():
        np.testing.assert_allclose(state.average[name], array, rtol=1e-6, atol=1e-7)
        assert state.evaluated[name] is state.average[name]
    assert set(state.evaluated) == {*state.parameters, *state.variables}


@pytest.mark.slow
def test_half_precision_computes_in_it_and_keeps_everything_in_single(tiny: Any) -> None:
    model, optimizer = TwoHeads(), make_optimizer(OptimizerConfig("sgd", weight_decay=0, momentum=0))
    image, labels = _images()
    after = []
    for compute in (ComputeConfig(), ComputeConfig(dtype="bfloat16")):
        step = make_train_step(model, optimizer, Objective(ignore_index=255), compute=compute)
        state, result = step(initial_state(model, optimizer), image.astype(np.float32), labels, 1.0)
        after.append((state, result))
    (single, loss), (half, other) = after
    assert {array.dtype for array in jax.tree.leaves(half)} == {jnp.dtype(jnp.float32)}
    assert other.loss.dtype == jnp.float32
    assert abs(float(other.loss - loss.loss)) < 0.02
    assert float(other.loss) != float(loss.loss)
    for name, array in single.parameters.items():
        moved = np.abs(array - initial_state(model, optimizer).parameters[name]).max()
        assert 0 < np.abs(half.parameters[name] - array).max() < 0.05 * moved
    step = make_train_step(tiny(), make_optimizer(), compute=ComputeConfig(dtype="bfloat16", accumulate=2))
    state, _ = step(initial_state(tiny(), make_optimizer()), *_batch(), 0.1)
    assert state.variables["norm.mean"].dtype == jnp.float32


def test_computing_anew_needs_less_memory_and_gives_the_same() -> None:
    model: Any = models.create("meshnet", channels=6, batch_norm=True, activation="elu")
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 12, 14, 13, 1)).astype(np.float32)
    labels = rng.integers(3, size=image.shape[:-1]).astype(np.int32)
    optimizer, found, memory = make_optimizer(OptimizerConfig("sgd", momentum=0)), [], []
    for compute in (ComputeConfig(), ComputeConfig(rematerialise=True)):
        step: Any = make_train_step(model, optimizer, compute=compute)
        compiled = step.lower(initial_state(model, optimizer), image, labels, 0.1).compile()
        memory.append(compiled.memory_analysis().temp_size_in_bytes)
        found.append(compiled(initial_state(model, optimizer), image, labels, 0.1)[0].parameters)
    assert memory[1] < 0.9 * memory[0]
    for name, array in found[0].items():
        np.testing.assert_allclose(found[1][name], array, rtol=1e-4, atol=1e-5)


def test_ignored_labels_do_not_count_as_right_or_wrong() -> None:
    model, optimizer = TwoHeads(), make_optimizer()
    image, labels = _images()
    step = make_train_step(model, optimizer, Objective(ignore_index=255))
    state = initial_state(model, optimizer)
    predicted = make_predict(TwoHeads())(state.evaluated, image.astype(np.float32))
    _, result = step(state, image.astype(np.float32), labels, 0.1)
    kept = labels != 255
    np.testing.assert_allclose(result.accuracy, (np.asarray(predicted) == labels)[kept].mean(), rtol=1e-6)


def _gradients(model: Any, state: TrainState, image: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """By NNX's own transformations, with the loss from log_softmax."""
    model = nnx.clone(model)
    arrays = {**state.parameters, **state.variables}
    for path, variable in nnx.to_flat_state(nnx.state(model)):
        variable.set_value(arrays[".".join(map(str, path))])
        nnx.update(model, nnx.from_flat_state([(path, variable)]))

    def loss(model: Any) -> jax.Array:
        picked = jnp.take_along_axis(jax.nn.log_softmax(model(image)), labels[..., None], -1)
        return -picked.mean()

    found = nnx.grad(loss)(model)
    flat = {".".join(map(str, p)): v.get_value() for p, v in nnx.to_flat_state(found)}
    return {name: np.asarray(value, np.float64) for name, value in flat.items()}
