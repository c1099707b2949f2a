"""What layers of Flax cannot do that PyTorch's can, and what loading says about it."""

from pathlib import Path

import numpy as np
import pytest
from flax import nnx

import interop
from dilax.errors import DilaxError, MismatchError
from interop.rules import FLAX_RULES

RNGS = nnx.Rngs(0)


def gru(hidden):
    rng = np.random.default_rng(0)
    shapes = {"weight_ih": (6, 3), "weight_hh": (6, 2), "bias_ih": (6,)}
    arrays = {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}
    return arrays | {"bias_hh": np.array(hidden, np.float32)}


def test_a_bias_that_nnx_has_not():
    layer = nnx.GRUCell(3, 2, rngs=RNGS)
    before = layer.dense_i.bias.get_value()
    with pytest.raises(MismatchError) as caught:
        interop.load(layer, gru([0, 0, 0, 0, 0, 1]))
    assert str(caught.value) == (
        "load: the model cannot hold the state_dict's values; convert the values before loading.\n"
        "  value: bias_hh holds a b_hn (its last third) that is not 0, which flax.nnx.GRUCell has not; "
        "use dilax.nn.GRUCell"
    )
    assert layer.dense_i.bias.get_value() is before


def test_biases_that_are_added_are_reported():
    layer = nnx.GRUCell(3, 2, rngs=RNGS)
    state = gru([1, 2, 3, 4, 0, 0])
    report = interop.load(layer, state)
    assert report.notes == ("bias_ih and bias_hh: are added, since Flax has one bias; saving gives the sum and zeros",)
    back = interop.state_dict(layer)
    np.testing.assert_array_equal(back["bias_ih"], state["bias_ih"] + state["bias_hh"])
    np.testing.assert_array_equal(back["bias_hh"], np.zeros(6, np.float32))
    assert interop.load(layer, gru(np.zeros(6))).notes == ()


def test_the_older_keys_of_weight_normalisation():
    layer = nnx.WeightNorm(nnx.Linear(3, 2, rngs=RNGS), rngs=RNGS)
    state = {
        "bias": np.ones(2, np.float32),
        "weight_g": np.full((2, 1), 3, np.float32),
        "weight_v": np.arange(6, dtype=np.float32).reshape(2, 3),
    }
    interop.load(layer, state)
    back = interop.state_dict(layer)
    assert list(back) == ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]
    for found, expected in zip(back.values(), state.values(), strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda: nnx.SpectralNorm(nnx.Linear(3, 2, rngs=RNGS), rngs=RNGS),
            "it iterates in evaluation too and keeps one vector of two; use dilax.nn.spectral_norm",
        ),
        (
            lambda: nnx.WeightNorm(nnx.Linear(3, 2, rngs=RNGS), use_scale=False, rngs=RNGS),
            "it has no lengths; make it with use_scale=True, or use dilax.nn.weight_norm",
        ),
        (
            lambda: nnx.LinearGeneral(3, 2, batch_axis={0: 4}, rngs=RNGS),
            "it has batch axes; use a linear layer for each index along them",
        ),
        (
            lambda: nnx.MultiHeadAttention(2, 4, 6, rngs=RNGS),
            "it has other features inside or at its end than at its beginning; build it with as many",
        ),
        (
            lambda: nnx.MultiHeadAttention(4, 8, num_kv_heads=2, rngs=RNGS),
            "it has fewer heads of keys than of queries; build it with as many",
        ),
        (
            lambda: nnx.MultiHeadAttention(2, 4, normalize_qk=True, rngs=RNGS),
            "it normalizes queries and keys; build it with normalize_qk=False",
        ),
    ],
)
def test_layers_without_an_equal_are_refused_by_name(make, reason):
    layer = make()
    with pytest.raises(DilaxError) as caught:
        interop.state_dict(nnx.List([layer]))
    assert str(caught.value) == f"interop: 0 ({type(layer).__name__}) has no equal in PyTorch: {reason}."


def test_weights_of_several_arrays_cannot_be_normalised():
    with pytest.raises(DilaxError) as caught:
        interop.state_dict(nnx.WeightNorm(nnx.LSTMCell(3, 2, rngs=RNGS), rngs=RNGS))
    assert str(caught.value) == (
        "interop: the weight normalisation of weight_ih has no equal in PyTorch; remove it, or use layers of dilax.nn."
    )


def test_every_rule_has_a_case():
    cases = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    packages = {kind: "nnx" if kind.__module__.startswith("flax.nnx") else "linen" for kind in FLAX_RULES}
    names = {f"{package}.{kind.__name__}" for kind, package in packages.items()} - {"linen.SpectralNorm"}
    assert not [name for name in names if name not in cases]
