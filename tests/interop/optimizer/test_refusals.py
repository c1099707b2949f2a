"""What cannot be resumed is said in whole, and the model is as it was."""

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as schedulers

import interop
from dilax.errors import ArgumentError, DilaxError, MismatchError

from .runs import FlaxRun, TorchRun, assert_followed, flax_net


def _adam(module):
    return torch.optim.Adam(module.parameters(), lr=0.01)


def _refused(checkpoint, error=DilaxError, **options):
    model = flax_net()
    before = interop.state_dict(model)
    with pytest.raises(error) as raised:
        interop.resume_torch(checkpoint, model, **options)
    assert_followed(interop.state_dict(model), before, 0)
    return str(raised.value)


def _with_option(checkpoint, **options):
    state = checkpoint["optimizer"]
    groups = [{**group, **options} for group in state["param_groups"]]
    return {**checkpoint, "optimizer": {**state, "param_groups": groups}}


def test_a_checkpoint_without_an_optimizer():
    assert _refused({"model": TorchRun(_adam).arrays(), "epoch": 2}) == (
        "resume_torch: there is no optimizer in the checkpoint; save optimizer.state_dict() beside the model, "
        "or use interop.load for the model alone."
    )


def test_an_optimizer_without_an_equal():
    run = TorchRun(lambda module: torch.optim.NAdam(module.parameters())).go_on(1)
    assert _refused(run.checkpoint()) == (
        "resume_torch: the optimizer is NAdam, which has no equal in JAX here; "
        "the known ones are SGD, Adam, AdamW, RMSprop, Adagrad."
    )


def test_an_option_without_an_equal():
    assert _refused(_with_option(TorchRun(_adam).go_on(1).checkpoint(), differentiable=True), ArgumentError) == (
        "TorchOptimizer: differentiable=True has no equal in JAX here; "
        "pass False: JAX differentiates through any optimizer."
    )
    assert _refused(_with_option(TorchRun(_adam).go_on(1).checkpoint(), eps="small"), ArgumentError) == (
        "TorchOptimizer: eps='small' is no number; pass a plain number."
    )


def test_two_optimizers():
    run = TorchRun(_adam).go_on(1)
    assert _refused({**run.checkpoint(), "generator": run.optimizer.state_dict()}) == (
        "resume_torch: the checkpoint holds 2 optimizers, in optimizer, generator; pass a dictionary with one "
        "optimizer, e.g. {'model': …, 'optimizer': …, 'scheduler': …}."
    )


def test_an_optimizer_that_is_adam_or_adamw():
    run = TorchRun(lambda module: torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=0.3)).go_on(4)
    old = run.checkpoint()
    for group in old["optimizer"]["param_groups"]:
        del group["decoupled_weight_decay"]  # as it was before PyTorch 2.6
    assert _refused(old, ArgumentError) == (
        "resume_torch: kind=None leaves open whose weight decay the checkpoint's optimizer has, which it does not say; "
        "pass 'Adam' or 'AdamW', whichever PyTorch's program used."
    )
    assert _refused(TorchRun(_adam).go_on(1).checkpoint(), ArgumentError, kind="SGD") == (
        "resume_torch: kind='SGD' is not the checkpoint's Adam; leave kind out."
    )
    model = flax_net()
    resumed = interop.resume_torch(old, model, kind="AdamW")
    ours = FlaxRun(model, resumed.optimizer, resumed.state, 4).go_on(5)
    assert_followed(ours.arrays(), run.go_on(5).arrays())


def test_a_state_that_contradicts_itself():
    broken = TorchRun(_adam).go_on(2).checkpoint()
    del broken["optimizer"]["state"][1]["exp_avg_sq"]
    broken["optimizer"]["state"][2]["exp_avg"] = torch.ones(2, 3)
    broken["optimizer"]["state"][9] = {"step": 1}
    assert _refused(broken, MismatchError) == (
        "resume_torch: the state of the Adam contradicts itself; pass what optimizer.state_dict() gave.\n"
        "  state of 9, which no group holds\n"
        "  number 1 lacks exp_avg_sq\n"
        "  number 2 has moments of shapes (2, 3), (6,)"
    )


def test_what_is_no_state_of_pytorchs():
    broken = TorchRun(_adam).go_on(1).checkpoint()
    broken["optimizer"]["state"][0] = 3
    assert _refused(broken) == (
        "resume_torch: the optimizer's state is not of PyTorch's form; pass what optimizer.state_dict() gave."
    )
    for wrong in ({"T_0": 2, "T_mult": 0, "eta_min": 0.0}, {"T_0": [], "T_mult": 2, "eta_min": 0.0}):
        scheduler = {**wrong, "last_epoch": 1, "_step_count": 2, "base_lrs": [0.1]}
        checkpoint = {**TorchRun(_adam).go_on(1).checkpoint(), "scheduler": scheduler}
        name = "T_mult" if wrong["T_mult"] == 0 else "T_0"
        assert _refused(checkpoint, steps_per_epoch=1) == (
            f"interop: the scheduler's {name!r} is {wrong[name]!r} and no number that it can have; "
            "pass the checkpoint without its scheduler."
        )


def test_milestones_that_are_none():
    scheduler = {"milestones": {"a": 1}, "gamma": 0.1, "last_epoch": 1, "_step_count": 2, "base_lrs": [0.1]}
    assert _refused({**TorchRun(_adam).go_on(1).checkpoint(), "scheduler": scheduler}, steps_per_epoch=1) == (
        "interop: the scheduler's 'milestones' is {'a': 1} and no list of steps; "
        "pass the checkpoint without its scheduler."
    )


def test_the_steps_of_a_scheduler():
    run = TorchRun(_adam, lambda o: schedulers.StepLR(o, 2), every=3).go_on(9)
    assert _refused(run.checkpoint(), ArgumentError) == (
        "resume_torch: steps_per_epoch=None leaves open when the StepLR moves; "
        "pass how many steps the optimizer does for one scheduler.step(): 1 if it moves with every step."
    )
    assert _refused(run.checkpoint(), ArgumentError, steps_per_epoch=4) == (
        "resume_torch: steps_per_epoch=4 does not fit: the optimizer did 9 steps, and the scheduler moved 3 times; "
        "pass the right one, or step=12 if the optimizer skipped steps."
    )
    assert _refused(run.checkpoint(), ArgumentError, steps_per_epoch=4, step=16) == (
        "resume_torch: step=16 is not the 3 x 4 steps that the scheduler moved over; "
        "pass a step from 12 to 15, or another steps_per_epoch."
    )
    assert _refused(run.checkpoint(), ArgumentError, steps_per_epoch=0) == (
        "TorchOptimizer: steps_per_epoch=0 is no count of steps; pass 1 or more."
    )


def test_rates_that_are_not_the_schedulers():
    run = TorchRun(_adam, lambda o: schedulers.StepLR(o, 2)).go_on(4)
    changed = _with_option(run.checkpoint(), lr=0.5)
    assert _refused(changed, MismatchError, steps_per_epoch=1) == (
        "resume_torch: the optimizer has not the rates of its StepLR; "
        "pass the checkpoint without the scheduler to go on at the optimizer's rates.\n"
        "  group 0: lr=0.5, the scheduler's 0.0001"
    )
    del changed["scheduler"]
    resumed = interop.resume_torch(changed, flax_net())
    assert [schedule(100) for schedule in resumed.schedules] == [0.5]


def test_a_model_that_does_not_fit():
    checkpoint = TorchRun(_adam).go_on(1).checkpoint()
    checkpoint["model"]["head.bias"] = torch.ones(4)
    message = _refused(checkpoint, MismatchError)
    assert message.splitlines()[1:] == ["  shape: head.bias is [4], the model's [3]"]


def test_the_report(tmp_path):
    run = TorchRun(
        lambda module: torch.optim.SGD([{"params": module.parameters(), "lr_scale": 3}], lr=0.1, momentum=0.9),
        lambda o: schedulers.StepLR(o, 4), every=2,
    ).go_on(4)  # fmt: skip
    torch.save({**run.checkpoint(), "best": 0.7}, tmp_path / "run.pth")
    resumed = interop.resume_torch(tmp_path / "run.pth", flax_net(), steps_per_epoch=2)
    assert (resumed.step, resumed.epoch) == (4, 3)
    assert str(resumed.report) == (
        "9 arrays, 124 numbers, from the state_dict in 'model'\nnot used: best\n"
        "SGD, 1 group of 6 parameters, 4 steps, learning rate 0.1\n"
        "StepLR, moved 2 times, once every 2 steps\n"
        "options without a meaning to SGD, kept: lr_scale"
    )
    np.testing.assert_allclose([resumed.schedules[0](step) for step in (4, 7, 8)], [0.1, 0.1, 0.01])
