"""Names, wrappers, abstract models, and what a failed load leaves behind."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import interop
from dilax.errors import ArgumentError, DilaxError, MismatchError
from dilax.nn import BatchNorm


class Model(nnx.Module):
    """Layers of Flax in a module of the user's own."""

    def __init__(self, rngs):
        self.stem = nnx.Sequential(nnx.Linear(3, 4, rngs=rngs), nnx.relu, nnx.BatchNorm(4, rngs=rngs))
        self.blocks = nnx.List([nnx.Linear(4, 4, rngs=rngs), nnx.LayerNorm(4, rngs=rngs)])
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(4, 2, use_bias=False, rngs=rngs)


SHAPES = {
    "stem.0.weight": (4, 3),
    "stem.0.bias": (4,),
    "stem.2.weight": (4,),
    "stem.2.bias": (4,),
    "stem.2.running_mean": (4,),
    "stem.2.running_var": (4,),
    "stem.2.num_batches_tracked": (),
    "blocks.0.weight": (4, 4),
    "blocks.0.bias": (4,),
    "blocks.1.weight": (4,),
    "blocks.1.bias": (4,),
    "head.weight": (2, 4),
}
NOTES = (
    "stem.2.num_batches_tracked: is left out, since Flax has no such array; saving gives zeros",
    "BatchNorm: use_fast_variance=True, momentum=0.99; PyTorch's default is use_fast_variance=False, momentum=0.9 "
    "(1 layer)",
    "LayerNorm: epsilon=1e-06, use_fast_variance=True; PyTorch's default is epsilon=1e-05, use_fast_variance=False "
    "(1 layer)",
)


def state(prefix=""):
    rng = np.random.default_rng(1)
    return {
        prefix + key: np.array(17) if key.endswith("tracked") else rng.normal(size=shape).astype(np.float32)
        for key, shape in SHAPES.items()
    }


@pytest.fixture(scope="module")
def abstract():
    return nnx.eval_shape(lambda: Model(nnx.Rngs(0)))


@pytest.fixture
def model(abstract):
    return nnx.clone(abstract)


def check(model, expected):
    back = interop.state_dict(model)
    assert set(back) == set(SHAPES)  # Flax sorts the attributes of abstract models
    for key, array in expected.items():
        if not key.endswith("num_batches_tracked"):
            assert back[key].tobytes() == array.tobytes()
            assert back[key].flags.writeable
    assert (back["stem.2.num_batches_tracked"], back["stem.2.num_batches_tracked"].dtype) == (0, np.int64)


def test_an_abstract_model_is_filled_and_has_random_numbers(model):
    report = interop.load(model, state())
    assert sorted(report.notes) == sorted([*NOTES, "random numbers begin at seed 0 (1 stream)"])
    assert (report.arrays, report.prefix, report.renamed, report.ignored) == (11, "", 0, ())
    check(model, state())
    leaves = jax.tree.leaves(nnx.state(model))
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    np.testing.assert_array_equal(model.head.kernel[...], state()["head.weight"].T)
    assert model.dropout(jnp.ones((3, 4))).shape == (3, 4)


def test_an_abstract_model_has_no_state_dict(model):
    with pytest.raises(DilaxError) as caught:
        interop.state_dict(model)
    assert str(caught.value) == (
        "state_dict: the Model is abstract and has no numbers; fill it with interop.load first."
    )


def test_what_flax_has_no_array_for_may_be_absent(model):
    arrays = state()
    del arrays["stem.2.num_batches_tracked"]
    assert NOTES[0] not in interop.load(model, arrays).notes
    check(model, state())


class Counting(nnx.Module):
    def __init__(self):
        self.bn1, self.bn2 = BatchNorm(3), BatchNorm(4)
        self.bn1.num_batches_tracked[...] += 5


def test_old_files_without_counts_of_batches_load_and_say_so():
    import torch

    layers = torch.nn.ModuleDict({"bn1": torch.nn.BatchNorm1d(3), "bn2": torch.nn.BatchNorm1d(4)})
    arrays = {key: tensor for key, tensor in layers.state_dict().items() if not key.endswith("tracked")}
    layers.load_state_dict(arrays)  # what PyTorch says nothing about
    model = Counting()
    report = interop.load(model, arrays)
    assert report.arrays == 10
    assert report.notes == (
        "bn1.num_batches_tracked and 1 more like it: not in the checkpoint, as in files of PyTorch before 0.4.1; "
        "begins at 0",
    )
    assert model.bn1.num_batches_tracked[...] == 0
    arrays["bn1.num_batches_tracked"] = np.array(3)
    with pytest.raises(MismatchError) as caught:  # of a newer file, one was lost
        interop.load(model, arrays)
    assert caught.value.problems == ("missing: bn2.num_batches_tracked []",)


def test_no_memory_is_shared_with_the_callers_arrays(model):
    arrays = {key: np.copy(array) for key, array in state().items()}
    interop.load(model, arrays)
    for array in arrays.values():
        array[...] = 0
    check(model, state())


@pytest.mark.parametrize(
    ("wrap", "wrapper"),
    [
        (lambda found: {"model": found, "epoch": 3}, "model"),
        (lambda found: {"model": {"state_dict": found, "step": 1}, "epoch": 3}, "model.state_dict"),
        (lambda found: {"ema": {"module": found}}, "ema.module"),
        (lambda found: {"params_ema": found}, "params_ema"),
    ],
)
def test_wrappers(model, wrap, wrapper):
    report = interop.load(model, wrap(state()))
    assert report.wrapper == wrapper
    assert set(report.unused) <= {"step", "epoch"}
    check(model, state())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.model.", "anything.else."])
def test_a_prefix_of_all_keys_is_taken_off(model, prefix):
    report = interop.load(model, state(prefix))
    assert report.prefix == prefix
    assert f"without the prefix {prefix!r} of all keys" in str(report)
    check(model, state())


def test_a_lightning_checkpoint(model):
    checkpoint = {
        "epoch": 1,
        "pytorch-lightning_version": "2.5",
        "hyper_parameters": {"lr": 0.1},
        "state_dict": {**state("model."), "criterion.weight": np.ones(2, np.float32)},
    }
    report = interop.load(model, checkpoint, ignore="criterion.*")
    assert (report.wrapper, report.prefix, report.ignored) == ("state_dict", "model.", ("criterion.weight",))
    assert report.unused == ("epoch", "pytorch-lightning_version", "hyper_parameters")
    assert str(report).startswith("11 arrays, 68 numbers, from the state_dict in 'state_dict'\nwithout the prefix")
    check(model, state())


def test_names_are_replaced(model):
    arrays = {re.sub("^stem.0", "conv", key).replace("head.weight", "fc"): array for key, array in state().items()}
    report = interop.load(nnx.clone(model), arrays, rename={"conv": "stem.0", "fc": "head.weight"})
    assert report.renamed == 3
    interop.load(model, arrays, rename=lambda key: {"fc": "head.weight"}.get(key, key.replace("conv", "stem.0")))
    check(model, state())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"rename": {"stam": "x"}}, ArgumentError,
            "load: rename='stam' is no key of the checkpoint and no prefix of one; leave it out.",
        ),
        (
            {"rename": {"stem": "x", "stem.0": "y"}}, DilaxError,
            "load: rename has both 'stem' and 'stem.0' for the key 'stem.0.weight'; keep one of them.",
        ),
        (
            {"rename": {"blocks.0": "stem.0"}}, DilaxError,
            "load: rename makes 'stem.0.weight' of both 'stem.0.weight' and 'blocks.0.weight'; "
            "give each a name of its own.",
        ),
        (
            {"ignore": ["loss.*"]}, ArgumentError,
            "load: ignore='loss.*' matches no key of the checkpoint; leave it out.",
        ),
    ],
)  # fmt: skip
def test_wrong_names_are_refused(model, options, error, message):
    with pytest.raises(error) as caught:
        interop.load(model, state(), **options)
    assert str(caught.value) == message


def test_a_model_and_its_average_are_refused_by_name(model):
    with pytest.raises(DilaxError) as caught:
        interop.load(model, {"model": state(), "ema": {"module": state()}})
    assert str(caught.value) == (
        "load: the checkpoint holds a state_dict under each of model, ema.module; "
        "pass the one you mean, e.g. checkpoint['model'], or dilax convert --state-dict model."
    )


def test_after_an_error_the_model_has_the_same_arrays():
    model = Model(nnx.Rngs(0))
    before = [(leaf, np.asarray(jax.random.key_data(leaf) if leaf.dtype.name.startswith("key") else leaf).tobytes())
              for leaf in jax.tree.leaves(nnx.state(model))]  # fmt: skip
    wrong = {"module." + key: array for key, array in state().items()}
    wrong["module.head.wieght"] = wrong.pop("module.head.weight")
    wrong["module.stem.0.bias"] = np.ones(5, np.float32)
    with pytest.raises(MismatchError) as caught:
        interop.load(model, wrong)
    assert str(caught.value) == (
        "load: the state_dict and the Model differ in 3 places; build the model with the checkpoint's options, "
        "or pass the checkpoint of this model.\n"
        "  shape: stem.0.bias is [5], the model's [4]\n"
        "  missing: head.weight [2, 4] (did you mean 'head.wieght'?)\n"
        "  unexpected: head.wieght [2, 4] (did you mean 'head.weight'?)"
    )
    values = state() | {"head.weight": np.ones((2, 4), np.int32), "blocks.1.bias": np.ones(4, np.complex64)}
    with pytest.raises(MismatchError) as caught:
        interop.load(model, values)
    assert str(caught.value) == (
        "load: the model cannot hold the state_dict's values; convert the values before loading.\n"
        "  dtype: blocks.1.bias is complex64, the model's float32\n"
        "  dtype: head.weight is int32, the model's float32"
    )
    assert list(interop.state_dict(model)) == list(SHAPES)
    for (leaf, bits), now in zip(before, jax.tree.leaves(nnx.state(model)), strict=True):
        assert now is leaf
        assert np.asarray(jax.random.key_data(now) if now.dtype.name.startswith("key") else now).tobytes() == bits


def test_dtype_and_sharding(model):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    report = interop.load(model, state(), dtype=jnp.bfloat16, sharding=sharding)
    assert "stem.0.weight: float32 became bfloat16" in report.casts
    kernel = model.head.kernel[...]
    assert (kernel.dtype, kernel.committed, kernel.sharding) == (jnp.bfloat16, True, sharding)
    with pytest.raises(MismatchError) as caught:
        interop.load(model, state(), dtype=np.float64)
    assert caught.value.problems[0] == (
        "dtype: blocks.0.weight would be float64, which JAX has within jax.enable_x64(True) alone"
    )


def test_an_array_that_two_layers_share():
    class Tied(nnx.Module):
        def __init__(self):
            self.one, self.two = nnx.Embed(3, 2, rngs=nnx.Rngs(0)), nnx.Embed(3, 2, rngs=nnx.Rngs(0))
            self.two.embedding = self.one.embedding

    model, table = Tied(), np.arange(6, dtype=np.float32).reshape(3, 2)
    assert interop.load(model, {"one.weight": table, "two.weight": table}).arrays == 1
    assert model.one.embedding is model.two.embedding
    np.testing.assert_array_equal(model.two.embedding[...], table)
    with pytest.raises(MismatchError) as caught:
        interop.load(model, {"one.weight": table, "two.weight": table + 1})
    assert caught.value.problems == ("two.weight: differs from the array that it shares memory with",)
