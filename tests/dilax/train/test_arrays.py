from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax.errors import MismatchError
from dilax.train import fill_model, model_arrays
from dilax.train.arrays import Skeleton, count_parameters


def test_names_are_paths_and_all_variables_are_there(tiny: Any) -> None:
    arrays = model_arrays(tiny())
    assert list(arrays) == [
        "dropout.rngs.count", "dropout.rngs.key", "first.bias", "first.kernel", "last.bias",
        "last.kernel", "norm.bias", "norm.mean", "norm.scale", "norm.var",
    ]  # fmt: skip
    assert sorted(model_arrays(tiny(), nnx.BatchStat)) == ["norm.mean", "norm.var"]
    assert count_parameters(model_arrays(tiny(), nnx.Param)) == 27 * 4 + 4 + 4 * 3 + 3 + 4 + 4


def test_a_filled_model_computes_what_the_other_does(tiny: Any) -> None:
    one, other = tiny(seed=1), tiny(seed=2)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 6, 7, 1)), jnp.float32)
    expected = one(x)  # in training mode: the dropout mask is part of the comparison
    assert not np.array_equal(expected, other(x))
    fill_model(other, model_arrays(tiny(seed=1)))
    np.testing.assert_array_equal(other(x), expected)


def test_a_skeleton_rebuilds_inside_a_trace(tiny: Any) -> None:
    model = tiny()
    skeleton, arrays = Skeleton(model), model_arrays(model)
    x = jnp.ones((1, 4, 5, 3, 1))
    compiled = jax.jit(lambda arrays, x: skeleton.build(arrays)(x))  # type: ignore[operator]
    np.testing.assert_allclose(compiled(arrays, x), model(x), atol=1e-6)


def test_all_differences_are_listed_and_nothing_changes(tiny: Any) -> None:
    model = tiny()
    before = {name: np.asarray(jax.random.key_data(v) if "key" in name else v)
              for name, v in model_arrays(model).items()}  # fmt: skip
    arrays = model_arrays(tiny(5))
    arrays["extra"] = arrays.pop("last.bias")
    arrays["norm.mean"] = jnp.ones(4, jnp.bfloat16)
    with pytest.raises(MismatchError) as caught:
        fill_model(model, arrays)
    assert str(caught.value) == (
        "fill_model: the arrays do not belong to this model; "
        "build the model with the options it was saved with."
        "\n  last.bias: missing"
        "\n  extra: unexpected"
        "\n  first.bias: is float32 (5), expected float32 (4)"
        "\n  first.kernel: is float32 (3, 3, 3, 1, 5), expected float32 (3, 3, 3, 1, 4)"
        "\n  last.kernel: is float32 (1, 1, 1, 5, 3), expected float32 (1, 1, 1, 4, 3)"
        "\n  norm.bias: is float32 (5), expected float32 (4)"
        "\n  norm.mean: is bfloat16 (4), expected float32 (4)"
        "\n  norm.scale: is float32 (5), expected float32 (4)"
        "\n  norm.var: is float32 (5), expected float32 (4)"
    )
    for name, value in model_arrays(model).items():
        value = jax.random.key_data(value) if "key" in name else value
        np.testing.assert_array_equal(value, before[name])
