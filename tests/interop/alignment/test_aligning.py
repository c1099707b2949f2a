"""Models of one architecture under names that disagree."""

import io
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from rich.console import Console

import interop
from dilax import nn
from dilax.errors import ArgumentError, DilaxError, MismatchError

RNG = np.random.default_rng(0)
QUICK = nnx.Rngs(jax.random.key(0, impl="unsafe_rbg"))


class Torch(torch.nn.Module):
    """A module of the attributes and the forward given."""

    def __init__(self, forward, **attributes):
        super().__init__()
        self.run = forward
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, *inputs):
        return self.run(self, *inputs)


class Flax(nnx.Module):
    """The same for Flax."""

    def __init__(self, forward, **attributes):
        self.run = forward
        for name, value in attributes.items():
            setattr(self, name, value)

    def __call__(self, *inputs):
        return self.run(self, *inputs)


def conv(c_in, c_out, size=3, **options):
    return nn.Conv(c_in, c_out, (size, size), rngs=QUICK, **options)


def linear(n_in, n_out):
    return nn.Linear(n_in, n_out, rngs=QUICK)


def checked(module, model, x):
    """The renaming, after Flax was filled through it and gave PyTorch's outputs."""
    found = interop.align(module, model, x)
    assert found.error <= 1e-12
    interop.load(model, module.state_dict(), rename=found.rename)
    given = np.asarray(x, x.dtype if x.dtype.kind == "i" else np.float32)
    expected = module.eval()(torch.tensor(np.moveaxis(given, -1, 1) if given.ndim == 4 else given)).detach().numpy()
    ours = np.asarray(model(given))
    np.testing.assert_allclose(ours, np.moveaxis(expected, 1, -1) if given.ndim == 4 else expected, atol=1e-5)
    return found.rename


def test_other_names_other_nesting_and_functions_in_place_of_layers():
    module = Torch(
        lambda self, x: self.classifier(self.features(x).mean((2, 3))),
        features=torch.nn.Sequential(
            torch.nn.Conv2d(3, 5, 3, bias=False), torch.nn.BatchNorm2d(5), torch.nn.ReLU(inplace=True),
            torch.nn.Sequential(torch.nn.Conv2d(5, 5, 3), torch.nn.MaxPool2d(2)),
        ),
        classifier=torch.nn.Linear(5, 4),
    )  # fmt: skip
    model = Flax(
        lambda self, x: self.top(self.pool(self.body.second(jax.nn.relu(self.norm(self.first(x))))).mean((1, 2))),
        top=linear(5, 4),
        pool=nn.MaxPool((2, 2)),
        body=nnx.Dict(second=conv(5, 5)),
        norm=nn.BatchNorm(5),
        first=conv(3, 5, bias=False),
    )
    before = jax.tree.map(np.asarray, nnx.state(model))
    found = interop.align(module, model, RNG.normal(size=(2, 8, 9, 3)))
    assert found.rename == {
        "features.0": "first", "features.1": "norm", "features.3.0": "body.second", "classifier": "top",
    }  # fmt: skip
    assert found.error <= 1e-12
    assert all(layer.error <= 1e-12 for layer in found.layers)
    assert found.not_run == ()
    assert [layer.kind for layer in found.layers] == ["Conv2d", "BatchNorm2d", "Conv2d", "Linear"]
    jax.tree.map(np.testing.assert_array_equal, before, jax.tree.map(np.asarray, nnx.state(model)))
    assert module.training
    assert module.classifier.weight.dtype == torch.float32


def test_the_model_itself_may_be_the_layer():
    assert checked(torch.nn.Linear(4, 3), Flax(lambda self, x: self.only(x), only=linear(4, 3)), np.ones((2, 4))) == {
        "weight": "only.weight", "bias": "only.bias",
    }  # fmt: skip


def test_branches_in_another_order_are_told_apart_by_their_outputs():
    layers = {name: torch.nn.Conv2d(3, 4, 1) for name in ("a", "b", "c")}
    module = Torch(lambda self, x: torch.cat([self.a(x), self.b(x), self.c(x)], 1), **layers)

    def forward(self, x):
        z, y, x = self.z(x), self.y(x), self.x(x)  # that of a third, then second, then first
        return jnp.concatenate([x, y, z], -1)

    model = Flax(forward, z=conv(3, 4, 1), x=conv(3, 4, 1), y=conv(3, 4, 1))
    assert checked(module, model, RNG.normal(size=(2, 5, 6, 3))) == {"a": "x", "b": "y", "c": "z"}


def attention(self, x, softmax, transpose):
    for query, key, value, out in self.blocks:
        weights = softmax(query(x) @ transpose(key(x)))
        x = x + out(weights @ value(x))
    return x


def test_queries_keys_and_values_of_every_block():
    blocks = [torch.nn.ModuleList(torch.nn.Linear(3, 3) for _ in range(4)) for _ in range(2)]
    module = Torch(lambda self, x: attention(self, x, lambda w: w.softmax(-1), lambda k: k.mT),
                   blocks=torch.nn.ModuleList(blocks))  # fmt: skip

    class Block(nnx.Module):
        def __init__(self):
            self.o, self.v, self.k, self.q = (linear(3, 3) for _ in range(4))

        def __iter__(self):
            return iter((self.q, self.k, self.v, self.o))

    model = Flax(
        lambda self, x: attention(self, x, jax.nn.softmax, jnp.matrix_transpose), blocks=nnx.List([Block(), Block()])
    )
    assert checked(module, model, RNG.normal(size=(2, 5, 3))) == {
        f"blocks.{block}.{old}": f"blocks.{block}.{new}" for block in (0, 1) for old, new in enumerate("qkvo")
    }


def twins():
    module = Torch(
        lambda self, x: self.head(self.left(x) + self.right(x)),
        left=torch.nn.Conv1d(3, 4, 2), right=torch.nn.Conv1d(3, 4, 2), head=torch.nn.Conv1d(4, 2, 1),
    )  # fmt: skip
    model = Flax(
        lambda self, x: self.last(self.one(x) + self.other(x)),
        one=nn.Conv(3, 4, (2,), rngs=QUICK), other=nn.Conv(3, 4, (2,), rngs=QUICK),
        last=nn.Conv(4, 2, (1,), rngs=QUICK),
    )  # fmt: skip
    return module, model


def test_branches_that_could_be_exchanged_are_refused_until_one_is_known():
    module, model = twins()
    x = RNG.normal(size=(2, 7, 3))
    with pytest.raises(MismatchError) as caught:
        interop.align(module, model, x)
    assert str(caught.value) == (
        "align: 2 layers could be exchanged without a change of any output, so that nothing tells which is which; "
        "say it for some of them, e.g. known={'left': 'one'}.\n"
        "  left (Conv1d: weight [4, 3, 2], bias [4]): one or other\n"
        "  right (Conv1d: weight [4, 3, 2], bias [4]): one or other"
    )
    found = interop.align(module, model, x, known={"left": "other"})
    assert found.rename == {"left": "other", "right": "one", "head": "last"}


def test_what_is_known_must_be_possible():
    module, model = twins()
    x = RNG.normal(size=(2, 7, 3))
    with pytest.raises(ArgumentError) as caught:
        interop.align(module, model, x, known={"left": "on"})
    assert str(caught.value) == (
        "align: known={'left': 'on'} names a layer with arrays that the Flax model does not have: 'on' (did you mean "
        "'one'?); pass names of layers, as a refusal lists them."
    )
    with pytest.raises(ArgumentError) as caught:
        interop.align(module, model, x, known={"left": "last"})
    assert str(caught.value) == (
        "align: known={'left': 'last'} pairs left (Conv1d: weight [4, 3, 2], bias [4]) with last (Conv: weight "
        "[2, 4, 1], bias [2]), which differs from it in type, shapes or place in the data flow; leave it out, and read "
        "what is refused then."
    )


def test_layers_too_many_are_listed():
    module = torch.nn.Sequential(*(torch.nn.Linear(3, 3) for _ in range(3)), torch.nn.Linear(3, 2, bias=False))
    model = Flax(lambda self, x: self.b(self.a(x)), b=linear(3, 2), a=nn.Sequential([linear(3, 3), linear(3, 3)]))
    with pytest.raises(MismatchError) as caught:
        interop.align(module, model, np.ones((2, 3)))
    assert str(caught.value) == (
        "align: 3 layers have no counterpart of the same type and shapes; "
        "build the Flax model with the PyTorch module's layers and options.\n"
        "  only in PyTorch: 2 (Linear: weight [3, 3], bias [3])\n"
        "  only in PyTorch: 3 (Linear: weight [2, 3])\n"
        "  only in Flax: b (Linear: weight [2, 3], bias [2])"
    )


def test_a_shared_layer_of_two_names_and_one_that_is_called_twice():
    shared, twice = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    module = Torch(
        lambda self, x: self.second(torch.tanh(self.twice(torch.tanh(self.twice(self.first(x)))))),
        first=shared, second=shared, twice=twice,
    )  # fmt: skip
    same, again = linear(4, 4), linear(4, 4)
    model = Flax(
        lambda self, x: self.end(jnp.tanh(self.again(jnp.tanh(self.again(self.start(x)))))),
        again=again, start=same, end=same,
    )  # fmt: skip
    x = RNG.normal(size=(3, 4))
    assert checked(module, model, x) == {"first": "start", "second": "end", "twice": "again"}

    del model.end
    model.run = lambda self, x: self.start(jnp.tanh(self.again(jnp.tanh(self.again(self.start(x))))))
    with pytest.raises(MismatchError) as caught:
        interop.align(module, model, x)
    assert str(caught.value) == (
        "align: 1 shared layers have more names on one side, so that no renaming pairs their keys; "
        "hold each in the Flax model under as many names as in PyTorch.\n"
        "  first = second (Linear: weight [4, 4], bias [4]) is start (Linear: weight [4, 4], bias [4])"
    )


def test_arrays_without_a_layer():
    module = Torch(
        lambda self, x: self.project(self.tokens(x) + self.position) * self.gamma + self.beta,
        tokens=torch.nn.Embedding(7, 4), project=torch.nn.Linear(4, 4), position=torch.nn.Parameter(torch.zeros(5, 4)),
        gamma=torch.nn.Parameter(torch.ones(4)), beta=torch.nn.Parameter(torch.zeros(4)),
    )  # fmt: skip
    model = Flax(
        lambda self, x: self.out(self.table(x) + self.where[...]) * self.scale[...] + self.shift[...],
        shift=nnx.Param(jnp.zeros(4)), scale=nnx.Param(jnp.ones(4)), where=nnx.Param(jnp.zeros((5, 4))),
        table=nn.Embedding(7, 4, rngs=QUICK), out=linear(4, 4),
    )  # fmt: skip
    assert checked(module, model, RNG.integers(0, 7, (2, 5))) == {
        "tokens": "table", "project": "out", "position": "where", "gamma": "scale", "beta": "shift",
    }  # fmt: skip


def test_a_difference_of_options_names_the_first_layer():
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))
    model = Flax(lambda self, x: self.c(self.b(self.a(x))), a=linear(4, 4), b=nn.LayerNorm(4, eps=1e-2), c=linear(4, 2))
    with pytest.raises(MismatchError) as caught:
        interop.align(module, model, RNG.normal(size=(3, 4)))
    assert str(caught.value) == (
        "align: types and shapes of the layers agree, but no table gives PyTorch's outputs; compare the options of the "
        "layers below, and what is computed before them.\n"
        "  PyTorch: 1 (LayerNorm: weight [4], bias [4]), fed by 0\n"
        "  Flax: b (LayerNorm: weight [4], bias [4]), fed by a\n"
        "  With the table that comes furthest these outputs are the first to differ; the data flows are alike."
    )


def test_a_difference_between_the_layers_is_told():
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    model = Flax(lambda self, x: self.b(self.a(x)) + x, a=linear(4, 4), b=linear(4, 4))
    with pytest.raises(MismatchError) as caught:
        interop.align(module, model, RNG.normal(size=(3, 4)))
    assert str(caught.value) == (
        "align: types and shapes of the layers agree, but no table gives PyTorch's outputs; compare the options of the "
        "layers below, and what is computed before them.\n"
        "  PyTorch: the result, fed by 1\n"
        "  Flax: the result, fed by b, input 0\n"
        "  With the table that comes furthest these outputs are the first to differ; the data flows are different."
    )


def test_other_results_and_nothing_to_align():
    module, model = torch.nn.Linear(4, 3), Flax(lambda self, x: (self.a(x), x), a=linear(4, 3))
    with pytest.raises(MismatchError) as caught:
        interop.align(module, model, np.ones((2, 4)))
    assert str(caught.value) == (
        "align: the models return different numbers of arrays; let both return the same.\n  PyTorch: 1\n  Flax: 2"
    )
    with pytest.raises(DilaxError) as caught:
        interop.align(torch.nn.ReLU(), nn.ReLU(), np.ones((2, 4)))
    assert str(caught.value) == "align: the models have no layer with arrays; there is nothing to rename."


def test_too_many_tables_are_refused(monkeypatch):
    monkeypatch.setattr("interop.alignment.search.TRIES", 2)
    module, model = twins()
    with pytest.raises(DilaxError) as caught:
        interop.align(module, model, RNG.normal(size=(2, 7, 3)))
    assert str(caught.value) == (
        "align: 2 tables were tried and more are possible, since many layers are alike; say for some of them which is "
        "which, in known={'name in PyTorch': 'path in Flax'}."
    )


def test_models_that_compute_the_same_another_way_are_aligned_by_their_numbers():
    module = Torch(
        lambda self, x: self.head(x) + 0 * self.extra(x), head=torch.nn.Linear(4, 3), extra=torch.nn.Linear(4, 3)
    )

    def forward(self, x):
        self.b(x)
        return self.a(x)

    assert checked(module, Flax(forward, b=linear(4, 3), a=linear(4, 3)), RNG.normal(size=(2, 4))) == {
        "head": "a",
        "extra": "b",
    }


def test_a_subclass_that_calls_its_layer_is_called_once():
    class Own(nn.Linear):
        def __call__(self, x):
            return super().__call__(x)

    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    model = Flax(lambda self, x: self.b(self.a(x)), a=Own(4, 3, rngs=QUICK), b=linear(3, 2))
    found = interop.align(module, model, RNG.normal(size=(2, 4)))
    assert [layer.flax_name for layer in found.layers] == ["a", "b"]
    assert all(layer.error <= 1e-12 for layer in found.layers)


def test_a_layer_that_does_not_run_is_named():
    module = Torch(lambda self, x: self.head(x), head=torch.nn.Linear(4, 3), auxiliary=torch.nn.Linear(4, 5))
    model = Flax(lambda self, x: self.a(x), b=linear(4, 5), a=linear(4, 3))
    found = interop.align(module, model, RNG.normal(size=(2, 4)))
    assert found.rename == {"head": "a", "auxiliary": "b"}
    assert found.not_run == ("auxiliary",)
    assert [layer.error is None for layer in found.layers] == [False, True]


def test_layers_of_flax_itself():
    module = Torch(
        lambda self, x: self.head(self.memory(self.norm(x))[0]),
        norm=torch.nn.LayerNorm(4), memory=torch.nn.LSTM(4, 5, batch_first=True), head=torch.nn.Linear(5, 2),
    )  # fmt: skip
    model = Flax(
        lambda self, x: self.top(self.steps(self.scale(x))),
        top=nnx.Linear(5, 2, rngs=QUICK), steps=nnx.RNN(nnx.OptimizedLSTMCell(4, 5, rngs=QUICK)),
        scale=nnx.LayerNorm(4, epsilon=1e-5, rngs=QUICK),
    )  # fmt: skip
    found = interop.align(module, model, RNG.normal(size=(2, 6, 4)))
    assert found.rename == {"norm": "scale", "memory": "steps", "head": "top"}


def test_the_table_for_the_terminal():
    module = Torch(lambda self, x: self.head(x) * self.gain, head=torch.nn.Linear(4, 3),
                   gain=torch.nn.Parameter(torch.ones(())), spare=torch.nn.Linear(1, 2, bias=False))  # fmt: skip
    model = Flax(lambda self, x: self.a(x) * self.g[...], a=linear(4, 3), g=nnx.Param(jnp.ones(())),
                 s=nn.Linear(1, 2, bias=False, rngs=QUICK))  # fmt: skip
    found = interop.align(module, model, RNG.normal(size=(2, 4)))
    console = Console(width=100, file=io.StringIO())
    console.print(found)
    text = " ".join(console.file.getvalue().split())
    assert "Layers of PyTorch and Flax" in text
    assert "head" in text
    assert "3×4, 3" in text
    assert "by type and shapes alone: spare" in text


def program(random):
    """A random model: for each layer its sources (-1: the input) and their weights; an order to compute them in."""
    count = random.randint(2, 8)
    sources = [random.sample(range(-1, i), random.randint(1, min(2, i + 1))) for i in range(count)]
    return [[(source, random.choice([1.0, 1.0, 0.5])) for source in one] for one in sources]


def order(steps, random):
    found = []
    while len(found) < len(steps):
        ready = [i for i, step in enumerate(steps) if i not in found and all(j in (-1, *found) for j, _ in step)]
        found.append(random.choice(ready))
    return found


def run(layers, steps, order, x, tanh):
    values = {-1: x}
    for i in order:
        values[i] = layers[i](tanh(sum(weight * values[j] for j, weight in steps[i])))
    return sum((i + 2) * values[i] for i in range(len(steps)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(15))
def test_random_models_of_layers_that_are_all_alike(seed):
    random = Random(seed)
    steps = program(random)
    count = len(steps)
    places = random.sample(range(count), count)
    first, second = order(steps, random), order(steps, random)
    module = Torch(lambda self, x: run(self.steps, steps, first, x, torch.tanh),
                   steps=torch.nn.ModuleList(torch.nn.Linear(3, 3) for _ in steps))  # fmt: skip
    model = Flax(lambda self, x: run([self.parts[place] for place in places], steps, second, x, jnp.tanh),
                 parts=nnx.List([linear(3, 3) for _ in steps]))  # fmt: skip
    found = interop.align(module, model, np.random.default_rng(seed).normal(size=(2, 3)))
    assert found.rename == {f"steps.{i}": f"parts.{places[i]}" for i in range(count)}
