from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from dilax.errors import ArgumentError
from dilax.train import initial_state, make_optimizer, make_predict, make_train_step
from dilax.train.step import TrainState


def _batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(2, 5, 7, 6, 1)).astype(np.float32)
    return image, rng.integers(3, size=image.shape[:-1]).astype(np.int32)


def _copy(state: TrainState) -> TrainState:
    return jax.tree.map(jnp.copy, state)


def test_steps_are_those_of_adamw_written_out(tiny: Any) -> None:
    model, rates = tiny(), [0.1, 0.02, 0.3]
    optimizer = make_optimizer(0.05)
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
    model, optimizer = tiny(), make_optimizer(0)
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
    model, optimizer = tiny(), make_optimizer(0)
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


def test_the_optimizer_of_dilax_needs_a_rate() -> None:
    optimizer = make_optimizer(0)
    state = optimizer.init({"a": jnp.ones(2)})
    with pytest.raises(ArgumentError) as raised:
        optimizer.update({"a": jnp.ones(2)}, state, {"a": jnp.ones(2)}, learning_rate=None)
    assert str(raised.value) == "step: learning_rate=None is needed by this optimizer; pass a number."


def test_the_state_is_donated(tiny: Any) -> None:
    model, optimizer = tiny(), make_optimizer(0)
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
