"""Which parameter is which: by saved names, by the caller's, by shapes, or not at all."""

import copy
import itertools

import numpy as np
import pytest
import torch
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler as schedulers

import interop
from dilax.errors import MismatchError
from interop.optimizer.assignment import Held, by_order
from interop.optimizer.layouts import Trainable

from .runs import FlaxRun, TorchRun, assert_followed, flax_net
from .test_resuming import there_and_back

FIX = " pass groups=, the keys of each group's parameters or patterns of them, e.g. [['*.weight'], ['*.bias']]."


def _split(module, named):
    """Decay for weights of layers, none for the rest: an arbitrary split, as training scripts make it."""
    pairs = list(module.named_parameters())
    parts = [[(n, p) for n, p in pairs if (p.ndim > 1) == many] for many in (True, False)]
    return [part if named else [p for _, p in part] for part in parts]


def _adamw(named=False, **first):
    def make(module):
        decayed, plain = _split(module, named)
        return torch.optim.AdamW(
            [{"params": plain, "weight_decay": 0.0, "lr": 0.02}, {"params": decayed, "weight_decay": 0.3, **first}],
            lr=0.01,
        )

    return make


def test_groups_with_saved_names(tmp_path):
    resumed = there_and_back(tmp_path / "run.pth", _adamw(named=True), lambda o: schedulers.ExponentialLR(o, 0.9))
    assert resumed.torch_optimizer.groups == [
        ["stem.bias", "norm.weight", "norm.bias", "head.bias"],
        ["stem.weight", "head.weight"],
    ]
    assert [round(schedule(7), 9) for schedule in resumed.schedules] == [0.009565938, 0.004782969]


def test_groups_that_shapes_leave_open_are_refused(tmp_path):
    run = TorchRun(_adamw()).go_on(1)
    model = flax_net()
    before = interop.state_dict(model)
    with pytest.raises(MismatchError) as raised:
        interop.resume_torch({**run.checkpoint(), "optimizer": _halved(run.optimizer.state_dict())}, model)
    assert str(raised.value) == (
        "resume_torch: the optimizer's parameters cannot be told;" + FIX + "\n"
        "  the 2 groups hold numbers without names, and the shapes leave several ways to tell them\n"
        "  group 0: 4 parameters, ?, ?, ?, ?\n"
        "  group 1: 2 parameters, [6, 2, 3, 2], ?"
    )
    assert_followed(interop.state_dict(model), before, 0)


def _halved(state):
    return {**state, "state": {4: state["state"][4]}}


def test_groups_that_shapes_tell(tmp_path):
    there_and_back(tmp_path / "run.pth", _adamw())


def test_groups_of_the_caller(tmp_path):
    def make(module):
        decayed, plain = _split(module, False)
        return torch.optim.SGD([{"params": plain, "lr": 0.03}, {"params": decayed, "weight_decay": 0.1}], lr=0.02)

    there_and_back(tmp_path / "run.pth", make, groups=[["*.bias", "norm.*"], ["stem.weight", "head.weight"]])


def test_groups_of_the_caller_that_do_not_fit():
    run, model = TorchRun(_adamw()).go_on(1), flax_net()
    with pytest.raises(MismatchError) as raised:
        interop.resume_torch(run.checkpoint(), model, groups=[["*.weight", "stem.weigth"], ["*.bias", "norm.*"]])
    assert str(raised.value) == (
        "groups: the groups do not fit the model; name each parameter in one group.\n"
        "  group 0: 'stem.weigth' is no parameter of the model (did you mean 'stem.weight'?)\n"
        "  group 1: norm.weight is in group 0 too"
    )
    with pytest.raises(MismatchError) as raised:
        interop.resume_torch(run.checkpoint(), model, groups=[["stem.*", "norm.*"], ["head.*"]])
    assert str(raised.value) == (
        "resume_torch: the optimizer's state is not that of these parameters;" + FIX + "\n"
        "  shape: number 0 is [6], the model's stem.weight [6, 2, 3, 2]\n"
        "  shape: number 3 is [3], the model's norm.bias [6]\n"
        "  shape: number 4 is [6, 2, 3, 2], the model's head.weight [3, 6]\n"
        "  shape: number 5 is [3, 6], the model's head.bias [3]"
    )


def test_a_part_of_the_model_is_trained(tmp_path):
    """PyTorch's optimizer has the head alone; the rest stays as it is in JAX too."""

    def make(module):
        return torch.optim.Adam(module.head.parameters(), lr=0.01)

    run = TorchRun(make).go_on(4)
    with pytest.raises(MismatchError) as raised:
        interop.resume_torch(run.checkpoint(), flax_net())
    assert str(raised.value) == (
        "resume_torch: the optimizer's parameters cannot be told;" + FIX + "\n"
        "  the optimizer trains 2 parameters, the model has 6"
    )
    model = flax_net()
    resumed = interop.resume_torch(run.checkpoint(), model, groups=[["head.*"]])
    ours = FlaxRun(model, resumed.optimizer, resumed.state, 4).go_on(6)
    assert_followed(ours.arrays(), run.go_on(6).arrays())
    interop.save_torch_checkpoint(tmp_path / "back.pth", model, ours.state, optimizer=resumed.torch_optimizer)
    back = TorchRun(make).load(tmp_path / "back.pth", 10).go_on(5)
    assert_followed(back.arrays(), run.go_on(5).arrays())


@pytest.mark.parametrize(
    "options",
    [{"name": "Adam", "lr": 0.01, "amsgrad": True}, {"name": "SGD", "lr": 0.05, "momentum": 0.9, "dampening": 0.4}],
)
def test_parameters_whose_first_gradient_is_still_to_come(tmp_path, options):
    options = dict(options)
    kind = getattr(torch.optim, options.pop("name"))

    def make(module):
        return kind(module.parameters(), **options)

    run = TorchRun(make)
    run.module.head.requires_grad_(False)
    run.go_on(5)
    run.module.head.requires_grad_(True)
    model = flax_net()
    resumed = interop.resume_torch(run.checkpoint(), model)
    assert str(resumed.report).splitlines()[-1] == (
        "no state of head.weight, head.bias: PyTorch never had their gradients, and their moments begin at zero; "
        "if they are to stay as they are, stop their gradients and mind the weight decay"
    )
    interop.save_torch_checkpoint(tmp_path / "a.pth", model, resumed.state, optimizer=resumed.torch_optimizer)
    back = TorchRun(make).load(tmp_path / "a.pth", 5)
    assert sorted(back.optimizer.state_dict()["state"]) == [0, 1, 2, 3]
    ours = FlaxRun(model, resumed.optimizer, resumed.state, 5).go_on(8)
    expected = run.go_on(8).arrays()
    assert_followed(ours.arrays(), expected)
    assert_followed(back.go_on(8).arrays(), expected)
    interop.save_torch_checkpoint(tmp_path / "b.pth", model, ours.state, optimizer=resumed.torch_optimizer)
    assert_followed(TorchRun(make).load(tmp_path / "b.pth", 13).go_on(6).arrays(), run.go_on(6).arrays())


@pytest.mark.parametrize("kind", ["Adam", "Adagrad", "RMSprop"])
def test_an_optimizer_that_has_not_begun(kind):
    run = TorchRun(lambda module: getattr(torch.optim, kind)(module.parameters(), lr=0.02))
    model = flax_net()
    resumed = interop.resume_torch(run.checkpoint(), model)
    assert resumed.step == 0
    ours = FlaxRun(model, resumed.optimizer, resumed.state, 0).go_on(5)
    assert_followed(ours.arrays(), run.go_on(5).arrays())


@settings(deadline=None)
@given(data=st.data())
def test_dealing_out_by_shapes_is_right_or_refused(data):
    shapes = data.draw(st.lists(st.sampled_from([(2,), (3,), (2, 3)]), min_size=1, max_size=6))
    owners = [data.draw(st.integers(0, 1)) for _ in shapes]
    trained = [Trainable(str(at), shape, (str(at),)) for at, shape in enumerate(shapes)]
    truth = [[str(at) for at, owner in enumerate(owners) if owner == group] for group in (0, 1)]
    held = [[Held(0, shapes[int(name)] if data.draw(st.booleans()) else None) for name in own] for own in truth]
    ways = [
        way
        for way in itertools.product((0, 1), repeat=len(shapes))
        if _agrees([[shapes[at] for at, own in enumerate(way) if own == group] for group in (0, 1)], held)
    ]
    if len(ways) == 1:
        assert by_order(held, trained) == truth
    else:
        with pytest.raises(MismatchError):
            by_order(held, trained)


def _agrees(shapes, held):
    return all(
        len(own) == len(known) and all(one.shape in (None, shape) for one, shape in zip(known, own, strict=True))
        for own, known in zip(shapes, held, strict=True)
    )


def test_pytorchs_order_is_that_of_the_checkpoint():
    """A Flax model that has lost its order of definition, and layers of one shape: only the file can tell them."""
    module = torch.nn.ModuleDict({name: torch.nn.Linear(4, 4).double() for name in ("c", "a", "b")})
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.5)
    for at, parameter in enumerate(module.parameters()):
        parameter.grad = torch.full_like(parameter, at)
    optimizer.step()
    model = nnx.clone(interop.from_torch(copy.deepcopy(module)))
    resumed = interop.resume_torch({"model": module.state_dict(), "optimizer": optimizer.state_dict()}, model)
    velocity = resumed.state.parts["0"][0].trace
    assert {name: float(array.max()) for name, array in velocity.items() if name.endswith("bias")} == {
        "c.bias": 1.0, "a.bias": 3.0, "b.bias": 5.0,
    }  # fmt: skip


def test_a_shared_parameter_is_trained_once():
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3)).double()
    module[2].weight = module[0].weight
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.5)
    torch.nn.functional.mse_loss(module(torch.ones(2, 3).double()), torch.zeros(2, 3).double()).backward()
    optimizer.step()
    model = interop.from_torch(copy.deepcopy(module))
    model[2].kernel = model[0].kernel
    resumed = interop.resume_torch({"model": module.state_dict(), "optimizer": optimizer.state_dict()}, model)
    velocity = resumed.state.parts["0"][0].trace
    assert sorted(velocity) == ["0.bias", "0.kernel", "2.bias"]
    np.testing.assert_array_equal(velocity["0.kernel"].T, module[0].weight.grad)
