"""What a state may be made of, and how it comes back."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from dilax.errors import MismatchError
from dilax.train import Checkpoints, model_arrays, read_checkpoint, read_meta

VERSION_1 = Path(__file__).with_name("fixtures") / "version1"


class State(NamedTuple):
    step: Any
    arrays: Any
    optimizer: Any


def _save(directory: Path, state: Any, **options: Any) -> None:
    with Checkpoints(directory) as checkpoints:
        checkpoints.save(5, state, **options)


def _normal(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_numbers_and_texts_come_back_with_their_types(tmp_path: Path) -> None:
    state = {"epoch": 3, "best": -math.inf, "done": True, "name": "größer", "list": [0.1, 2**70], "w": np.ones(2)}
    meta = {"iterator": {"next_index": 12, "shards": (1, None)}}
    _save(tmp_path, state, metrics={"dice": np.float32(0.25), "bad": math.inf}, meta=meta)
    target = {"epoch": 0, "best": 0.0, "done": False, "name": "", "list": [0.0, 0], "w": np.zeros(2)}
    restored = read_checkpoint(tmp_path, target)
    assert repr(restored.state) == repr(dict(sorted(state.items())))  # JAX sorts the keys of dictionaries
    assert restored.meta == {"iterator": {"next_index": 12, "shards": [1, None]}}
    assert restored.metrics["dice"] == 0.25
    assert math.isnan(restored.metrics["bad"])
    by_name = read_checkpoint(tmp_path).state
    assert (by_name["epoch"], by_name["list.1"], by_name["best"]) == (3, 2**70, -math.inf)


def test_a_number_and_an_array_without_axes_stand_for_one_another(tmp_path: Path) -> None:
    made = State(0, {"w": _normal(2, 3)}, {"rate": 0.5})
    stepped = made._replace(step=jnp.int32(7))
    _save(tmp_path / "array", stepped)
    found = read_checkpoint(tmp_path / "array", made).state
    assert (found.step.dtype, int(found.step)) == (jnp.int32, 7)
    _save(tmp_path / "number", made)
    found = read_checkpoint(tmp_path / "number", jax.eval_shape(lambda: made)).state
    assert (found.step.dtype, found.optimizer["rate"].dtype) == (jnp.int32, jnp.float32)
    np.testing.assert_array_equal(found.arrays["w"], made.arrays["w"])
    with pytest.raises(MismatchError) as caught:
        read_checkpoint(tmp_path / "number", made._replace(step=0.0, optimizer={"rate": jnp.int32(1)}))
    assert caught.value.problems == ("step: is int, expected float", "optimizer.rate: is float, expected int32 ()")


def test_abstract_targets_and_random_keys(tmp_path: Path) -> None:
    state = {
        "keys": jax.random.split(jax.random.key(3), 4), "old": jax.random.PRNGKey(1),
        "rbg": jax.random.key(5, impl="rbg"), "w": jnp.asarray(_normal(3, 4)),
    }  # fmt: skip
    _save(tmp_path, state)
    for target in (jax.eval_shape(lambda: state), state):
        found = read_checkpoint(tmp_path, target).state
        assert jax.tree.map(lambda x: (x.dtype, x.shape), found) == jax.tree.map(lambda x: (x.dtype, x.shape), state)
        for name in ("keys", "rbg"):
            np.testing.assert_array_equal(jax.random.key_data(found[name]), jax.random.key_data(state[name]))
            assert jax.random.key_impl(found[name]) == jax.random.key_impl(state[name])
        np.testing.assert_array_equal(found["w"], state["w"])


def test_modules_and_optimizers_of_nnx_are_filled(tiny: Any, tmp_path: Path) -> None:
    model = tiny(seed=1)
    optimizer = nnx.Optimizer(model, optax.adamw(0.1), wrt=nnx.Param)
    grads = jax.tree.map(lambda x: x + 0.5, nnx.state(model, nnx.Param))
    optimizer.update(model, grads)
    _save(tmp_path, {"model": model, "optimizer": optimizer, "epoch": 2})
    other = tiny(seed=2)
    kernel = other.first.kernel
    target = {"model": other, "optimizer": nnx.Optimizer(other, optax.adamw(0.1), wrt=nnx.Param), "epoch": 0}
    restored = read_checkpoint(tmp_path, target).state
    assert restored["model"] is other
    assert restored["optimizer"] is target["optimizer"]
    assert restored["epoch"] == 2
    assert other.first.kernel is kernel
    for found, expected in ((other, model), (restored["optimizer"], optimizer)):
        found_arrays, arrays = model_arrays(found), model_arrays(expected)
        assert list(found_arrays) == list(arrays)
        for name, array in arrays.items():
            if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
                assert (jax.random.key_data(found_arrays[name]) == jax.random.key_data(array)).all()
            else:
                np.testing.assert_array_equal(found_arrays[name], array)
    optimizer.update(model, grads)
    restored["optimizer"].update(other, grads)
    np.testing.assert_array_equal(other.last.kernel[...], model.last.kernel[...])


def test_a_module_alone_an_abstract_one_and_a_dictionary_have_the_same_names(tiny: Any, tmp_path: Path) -> None:
    model = tiny(seed=1)
    _save(tmp_path, model)
    abstract = nnx.eval_shape(lambda: tiny(seed=0))
    filled = read_checkpoint(tmp_path, abstract).state
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 7, 1))
    model.eval()
    filled.eval()
    np.testing.assert_array_equal(filled(x), model(x))
    arrays = model_arrays(model)
    assert sorted(read_checkpoint(tmp_path, arrays).state) == sorted(arrays)


def test_a_model_that_does_not_fit_stays_as_it_was(tiny: Any, tmp_path: Path) -> None:
    _save(tmp_path, {"model": tiny(channels=4)})
    wider = tiny(channels=6, seed=9)
    before = {name: np.asarray(array) for name, array in model_arrays(wider, nnx.Param).items()}
    with pytest.raises(MismatchError) as caught:
        read_checkpoint(tmp_path, {"model": wider})
    assert str(caught.value).startswith(
        f"restore: the state in {str(tmp_path.resolve() / '5')!r} is not what the target asks for; "
        "build the target as it was when the checkpoint was saved.\n"
        "  model.first.bias: is float32 (4), expected float32 (6)\n"
        "  model.first.kernel: is float32 (3, 3, 3, 1, 4), expected float32 (3, 3, 3, 1, 6)\n"
    )
    assert "model.last.kernel: is float32 (1, 1, 1, 4, 3), expected float32 (1, 1, 1, 6, 3)" in caught.value.problems
    for name, array in model_arrays(wider, nnx.Param).items():
        np.testing.assert_array_equal(array, before[name])


def test_restored_arrays_are_where_the_target_has_them(tmp_path: Path) -> None:
    free = jnp.asarray(_normal(2, 3))
    placed = jax.device_put(free, jax.devices()[0])
    _save(tmp_path, {"free": free, "placed": placed})
    found = read_checkpoint(tmp_path, {"free": free, "placed": placed}).state
    assert (found["free"].committed, found["placed"].committed) == (False, True)


def test_checkpoints_of_version_1_are_read(tmp_path: Path) -> None:
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    parameters = {"conv.kernel": jnp.zeros((2, 3))}
    target = {
        "model": {**parameters, "rngs.key": jax.random.key(0)},
        "optimizer": optax.adam(1e-3).init(parameters),
    }  # fmt: skip
    restored = read_checkpoint(VERSION_1, target)
    assert restored.step == 9
    np.testing.assert_array_equal(restored.state["model"]["conv.kernel"], kernel)
    moments = restored.state["optimizer"][0]
    assert int(moments.count) == 9
    np.testing.assert_array_equal(moments.mu["conv.kernel"], -kernel)
    assert (jax.random.key_data(restored.state["model"]["rngs.key"]) == jax.random.key_data(jax.random.key(3))).all()
    about = read_meta(VERSION_1)
    assert (about.step, about.epoch, about.best, about.data_position) == (9, 2, 0.5, {"next_index": 7})
    assert about.metrics["mean_dice"] == 0.25
