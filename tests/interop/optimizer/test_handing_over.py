"""Training that began in JAX, with an optimizer of optax's or of ours, goes on in PyTorch."""

import jax
import optax
import pytest
import torch
from flax import nnx
from torch.optim import lr_scheduler as schedulers

import interop
from dilax.errors import ArgumentError, DilaxError
from dilax.train import model_arrays
from interop.optimizer.torch_optimizer import DEFAULTS

from .runs import INPUTS, TARGETS, FlaxRun, TorchRun, assert_followed, flax_net

# optax's optimizer, PyTorch's with the same options, and PyTorch's options.
SAME = {
    "sgd": (lambda: optax.sgd(0.05), "SGD", {"lr": 0.05}),
    "sgd nesterov": (
        lambda: optax.sgd(0.02, momentum=0.8, nesterov=True), "SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True},
    ),
    "adam": (lambda: optax.adam(0.01, b1=0.8, eps=1e-4), "Adam", {"lr": 0.01, "betas": (0.8, 0.999), "eps": 1e-4}),
    "adamw in a chain": (
        lambda: optax.chain(optax.clip_by_global_norm(1e3), optax.adamw(lambda count: 0.01, weight_decay=0.2)),
        "AdamW", {"lr": 0.01, "weight_decay": 0.2},
    ),
    "adamw injected": (
        lambda: optax.inject_hyperparams(optax.adamw)(learning_rate=0.01, weight_decay=0.2),
        "AdamW", {"lr": 0.01, "weight_decay": 0.2},
    ),
    "rmsprop": (
        lambda: optax.rmsprop(0.004, decay=0.8, eps_in_sqrt=False, momentum=0.7), "RMSprop",
        {"lr": 0.004, "alpha": 0.8, "momentum": 0.7},
    ),
    "rmsprop centered": (
        lambda: optax.rmsprop(0.004, decay=0.8, eps_in_sqrt=False, centered=True), "RMSprop",
        {"lr": 0.004, "alpha": 0.8, "centered": True},
    ),
    # PyTorch adds eps to the root, optax below it: with none the two are one.
    "adagrad": (lambda: optax.adagrad(0.05, 0.3, eps=0.0), "Adagrad", {"lr": 0.05, "eps": 0.0}),
}  # fmt: skip


def _follow(path, optimizer, described, kind, options):
    """Eight steps in JAX, then eight more on both sides."""
    model = flax_net()
    start = TorchRun(lambda module: torch.optim.SGD(module.parameters()))
    interop.load(model, start.arrays())
    ours = FlaxRun(model, optimizer, optimizer.init(model_arrays(model, nnx.Param)), 0).go_on(8)
    interop.save_torch_checkpoint(path, model, ours.state, optimizer=described, step=8)
    run = TorchRun(lambda module: getattr(torch.optim, kind)(module.parameters(), **options))
    assert_followed(ours.go_on(8).arrays(), run.load(path, 8).go_on(8).arrays())


@pytest.mark.parametrize("name", SAME)
def test_optimizers_of_optax(tmp_path, name):
    make, kind, options = SAME[name]
    _follow(tmp_path / "run.pth", make(), interop.TorchOptimizer(kind, [options]), kind, options)


def test_a_partition_of_optax(tmp_path):
    parts = {"decayed": optax.adamw(0.01, weight_decay=0.2), "plain": optax.adamw(0.02, weight_decay=0.0)}
    optimizer = optax.partition(
        parts, lambda tree: {name: "decayed" if name.endswith("kernel") else "plain" for name in tree}
    )
    groups = [["stem.weight", "head.weight"], ["*.bias", "norm.*"]]
    options = [{"lr": 0.01, "weight_decay": 0.2}, {"lr": 0.02, "weight_decay": 0.0}]
    model = flax_net()
    ours = FlaxRun(model, optimizer, optimizer.init(model_arrays(model, nnx.Param)), 0).go_on(5)
    described = interop.TorchOptimizer("AdamW", options, groups=groups)
    interop.save_torch_checkpoint(tmp_path / "run.pth", model, ours.state, optimizer=described)

    def make(module):
        named = dict(module.named_parameters())
        decayed = {name: named[name] for name in ("stem.weight", "head.weight")}
        plain = [named[name] for name in named if name not in decayed]
        return torch.optim.AdamW([{"params": list(decayed.values())}, {"params": plain}])

    run = TorchRun(make).load(tmp_path / "run.pth", 5)
    assert [group["lr"] for group in run.optimizer.param_groups] == [0.01, 0.02]
    assert_followed(ours.go_on(6).arrays(), run.go_on(6).arrays())


def test_an_optimizer_of_nnx(tmp_path):
    """It takes a resumed state, and its own is taken to PyTorch."""
    run = TorchRun(lambda module: torch.optim.AdamW(module.parameters(), lr=0.01)).go_on(5)
    model = nnx.clone(flax_net())  # nnx.jit changes a model
    resumed = interop.resume_torch(run.checkpoint(), model)
    optimizer = nnx.Optimizer(model, resumed.optimizer, wrt=nnx.Param)
    nnx.update(optimizer.opt_state, nnx.state(resumed.state))

    @nnx.jit
    def step(model, optimizer, x, y):
        grads = nnx.grad(lambda model: ((model(x) - y) ** 2).mean())(model)
        optimizer.update(model, grads)

    for at in range(5, 11):
        step(model, optimizer, INPUTS[at].transpose(0, 2, 3, 1), TARGETS[at])
    expected = run.go_on(6).arrays()
    assert_followed(interop.state_dict(model), expected)
    interop.save_torch_checkpoint(tmp_path / "a.pth", model, optimizer.opt_state, optimizer=resumed.torch_optimizer)
    back = TorchRun(lambda module: torch.optim.AdamW(module.parameters())).load(tmp_path / "a.pth", 11)
    assert_followed(back.go_on(5).arrays(), run.go_on(5).arrays())


def test_a_run_that_begins_in_jax_with_a_scheduler_of_pytorch(tmp_path):
    described = interop.TorchOptimizer(
        "SGD", [{"lr": 0.05, "momentum": 0.9, "dampening": 0.5}], scheduler={"T_max": 6, "eta_min": 0.001},
        steps_per_epoch=3,
    )  # fmt: skip
    model = flax_net()

    def make(module):
        return torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, dampening=0.5)

    def scheduler(optimizer):
        return schedulers.CosineAnnealingLR(optimizer, 6, eta_min=0.001)

    run = TorchRun(make, scheduler, every=3)
    interop.load(model, run.arrays())
    optimizer = interop.optax_from_torch(described, model)
    ours = FlaxRun(model, optimizer, optimizer.init(nnx.state(model, nnx.Param)), 0).go_on(10)
    interop.save_torch_checkpoint(tmp_path / "run.pth", model, ours.state, optimizer=described)
    back = TorchRun(make, scheduler, every=3).load(tmp_path / "run.pth", 10).go_on(10)
    expected = run.go_on(20)
    assert_followed(ours.go_on(10).arrays(), expected.arrays())
    assert_followed(back.arrays(), expected.arrays())
    for key, value in expected.scheduler.state_dict().items():
        assert back.scheduler.state_dict()[key] == pytest.approx(value), key


def test_an_order_that_the_model_lost_is_asked_for(tmp_path):
    """nnx.jit, nnx.merge and nnx.clone sort a model's attributes, and PyTorch's numbers follow their definition."""
    model = nnx.clone(flax_net())
    state = optax.adam(0.1).init(model_arrays(model, nnx.Param))
    with pytest.raises(ArgumentError) as raised:
        interop.save_torch_checkpoint(
            tmp_path / "a.pth", model, state, optimizer=interop.TorchOptimizer("Adam", [{"lr": 0.1}])
        )
    assert str(raised.value) == (
        "save_torch_checkpoint: groups=None leaves PyTorch's order of the parameters to the model, whose attributes "
        "nnx.jit, nnx.merge or a copy sorted; give the TorchOptimizer groups of keys in PyTorch's order, e.g. "
        "[[name for name, _ in module.named_parameters()]]."
    )
    run = TorchRun(lambda module: torch.optim.Adam(module.parameters(), lr=0.1))
    names = [name for name, _ in run.module.named_parameters()]
    described = interop.TorchOptimizer("Adam", [{"lr": 0.1}], groups=[names])
    interop.save_torch_checkpoint(tmp_path / "a.pth", model, state, optimizer=described)
    run.load(tmp_path / "a.pth", 0).go_on(1)


def test_a_state_of_another_optimizer_is_refused(tmp_path):
    model = flax_net()
    state = optax.sgd(0.1, momentum=0.9).init(model_arrays(model, nnx.Param))
    described = interop.TorchOptimizer("AdamW", [{}], groups=[["head.*"]])
    with pytest.raises(DilaxError) as raised:
        interop.save_torch_checkpoint(tmp_path / "a.pth", model, state, optimizer=described, step=3)
    assert str(raised.value) == (
        "save_torch_checkpoint: the state is not that of the AdamW described; "
        "describe the optimizer that the state belongs to.\n"
        "  head.weight: no exp_avg\n  head.weight: no exp_avg_sq\n  head.bias: no exp_avg\n  head.bias: no exp_avg_sq"
    )
    assert not (tmp_path / "a.pth").exists()


def test_the_other_maxima_of_optax_are_refused(tmp_path):
    """optax keeps the maximum of corrected moments, from which PyTorch's cannot be told."""
    model = flax_net()
    state = optax.amsgrad(0.1).init(model_arrays(model, nnx.Param))
    described = interop.TorchOptimizer("Adam", [{"amsgrad": True}], groups=[["head.bias"]])
    with pytest.raises(DilaxError) as raised:
        interop.save_torch_checkpoint(tmp_path / "a.pth", model, state, optimizer=described)
    assert str(raised.value).splitlines()[1:] == ["  head.bias: no max_exp_avg_sq"]


def test_steps_that_nobody_counted_are_asked_for(tmp_path):
    model = flax_net()
    state = optax.rmsprop(0.1).init(model_arrays(model, nnx.Param))
    with pytest.raises(ArgumentError) as raised:
        interop.save_torch_checkpoint(
            tmp_path / "a.pth", model, state, optimizer=interop.TorchOptimizer("RMSprop", [{"lr": 0.1}])
        )
    assert str(raised.value) == (
        "save_torch_checkpoint: step=None is not in the optimizer's state either; pass the steps done."
    )


@pytest.mark.parametrize("kind", DEFAULTS)
def test_defaults_are_those_of_pytorch(kind):
    optimizer = getattr(torch.optim, kind)([torch.nn.Parameter(torch.ones(2))])
    group = {name: value for name, value in optimizer.state_dict()["param_groups"][0].items() if name != "params"}
    assert group == DEFAULTS[kind]


def test_the_tree_of_parameters_must_be_whole():
    model = flax_net()
    optimizer = interop.optax_from_torch(interop.TorchOptimizer("SGD", [{}]), model)
    arrays = model_arrays(model, nnx.Param)
    arrays.pop("head.bias")
    with pytest.raises(DilaxError) as raised:
        jax.eval_shape(optimizer.init, arrays)
    assert str(raised.value) == (
        "init: the tree of parameters lacks some that the optimizer trains; "
        "pass nnx.state(model, nnx.Param) or model_arrays(model, nnx.Param).\n  missing: head.bias"
    )
