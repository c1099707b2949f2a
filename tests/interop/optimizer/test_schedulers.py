"""Closed forms against the rates that PyTorch's schedulers reach step by step."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler as schedulers

import interop
from dilax.errors import DilaxError
from interop.files.optimizers import find_optimizers, scheduler_kind
from interop.optimizer.schedulers import advanced, scheduler_momentum, scheduler_rate

STEPS = 300
BASES = (0.37, 0.0123)

share, count = st.floats(0.05, 1.0), st.integers(1, 120)
gamma = st.floats(0.9, 1.0)


def _warm(o, draw):
    return schedulers.CosineAnnealingWarmRestarts(o, draw(count), T_mult=draw(st.integers(1, 3)), eta_min=0.001)


def _one_cycle(o, draw):
    return schedulers.OneCycleLR(
        o, [0.5, 0.2], total_steps=STEPS + draw(count), pct_start=draw(st.floats(0.1, 0.45)),
        anneal_strategy=draw(st.sampled_from(["cos", "linear"])), three_phase=draw(st.booleans()),
        cycle_momentum=draw(st.booleans()), div_factor=draw(st.floats(2, 30)),
    )  # fmt: skip


FACTORS = {
    "StepLR": lambda o, draw: schedulers.StepLR(o, draw(count), draw(share)),
    "MultiStepLR": lambda o, draw: schedulers.MultiStepLR(o, draw(st.lists(count, max_size=5)), draw(share)),
    "ConstantLR": lambda o, draw: schedulers.ConstantLR(o, draw(share), draw(count)),
    "LinearLR": lambda o, draw: schedulers.LinearLR(o, draw(share), draw(share), draw(count)),
    "ExponentialLR": lambda o, draw: schedulers.ExponentialLR(o, draw(gamma)),
    "PolynomialLR": lambda o, draw: schedulers.PolynomialLR(o, draw(count), draw(st.floats(0.5, 3))),
}
SIMPLE = {
    **FACTORS,
    "CosineAnnealingLR": lambda o, draw: schedulers.CosineAnnealingLR(o, draw(count), draw(st.sampled_from([0, 1e-3]))),
    "CosineAnnealingWarmRestarts": _warm,
}


def _sequential(o, draw):
    names = draw(st.lists(st.sampled_from(sorted(SIMPLE)), min_size=2, max_size=4))
    milestones = np.cumsum([draw(count) for _ in names[1:]]).tolist()
    return schedulers.SequentialLR(o, [SIMPLE[name](o, draw) for name in names], milestones)


def _chained(o, draw):
    names = draw(st.lists(st.sampled_from(sorted(FACTORS)), min_size=1, max_size=3))
    return schedulers.ChainedScheduler([FACTORS[name](o, draw) for name in names])


ALL = {**SIMPLE, "OneCycleLR": _one_cycle, "SequentialLR": _sequential, "ChainedScheduler": _chained}


def _optimizer(kind="SGD"):
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in BASES]
    return torch.optim.SGD(groups, momentum=0.9) if kind == "SGD" else torch.optim.Adam(groups)


def _run(scheduler, steps=STEPS):
    """Rates of both groups, and momenta, before each step."""
    optimizer = scheduler.optimizer if hasattr(scheduler, "optimizer") else scheduler._schedulers[0].optimizer
    optimizer._opt_called = True  # no step of it is needed
    rates, momenta = [], []
    for _ in range(steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        momenta.append(
            [group["betas"][0] if "betas" in group else group["momentum"] for group in optimizer.param_groups]
        )
        scheduler.step()
    return np.array(rates), np.array(momenta)


@pytest.mark.parametrize("name", ALL)
@settings(deadline=None)
@given(data=st.data())
def test_rates_are_those_of_pytorch(name, data):
    scheduler = ALL[name](_optimizer(), data.draw)
    state = scheduler.state_dict()
    groups = [dict(group) for group in scheduler.optimizer.param_groups]
    expected, momenta = _run(scheduler)
    assert scheduler_kind(state) == name
    for index, group in enumerate(groups):
        rate = scheduler_rate(state, group, index)
        inherited = 4e-16 * expected[:, index].max()  # where the rate nears zero, PyTorch's own rounding is left
        np.testing.assert_allclose(rate(jnp.arange(STEPS)), expected[:, index], rtol=1e-12, atol=inherited)
        at = data.draw(st.integers(0, STEPS - 1))
        np.testing.assert_allclose(rate(at), expected[at, index], rtol=1e-12, atol=inherited)
        momentum = scheduler_momentum(state, group)
        assert (momentum is not None) == (name == "OneCycleLR" and state["cycle_momentum"])
        if momentum is not None:
            np.testing.assert_allclose(momentum(jnp.arange(STEPS)), momenta[:, index], rtol=1e-12)


@pytest.mark.parametrize("name", ALL)
@settings(deadline=None)
@given(data=st.data())
def test_an_advanced_state_is_that_of_pytorch(name, data):
    scheduler = ALL[name](_optimizer(), data.draw)
    groups = [dict(group) for group in scheduler.optimizer.param_groups]
    state = _copied(scheduler.state_dict())
    begin, steps = data.draw(st.integers(0, 60)), data.draw(st.integers(0, 120))
    _run(scheduler, begin)
    state = _copied(scheduler.state_dict())
    _run(scheduler, steps)
    rates = [scheduler_rate(state, group, index) for index, group in enumerate(groups)]
    _assert_same_state(
        advanced(state, begin + steps, rates), scheduler.state_dict(), rates_too=name != "ChainedScheduler"
    )


def test_the_state_survives_the_file(tmp_path):
    optimizer = _optimizer()
    scheduler = schedulers.SequentialLR(
        optimizer, [schedulers.MultiStepLR(optimizer, [2, 2, 5]), schedulers.ExponentialLR(optimizer, 0.9)], [7]
    )
    torch.save({"scheduler": scheduler.state_dict()}, tmp_path / "s.pth")
    checkpoint = interop.read(tmp_path / "s.pth")
    described = find_optimizers(checkpoint.root)
    assert [(one.kind, one.step) for one in described] == [("SequentialLR", 0)]  # those inside are no others
    rate = scheduler_rate(checkpoint["scheduler"], {}, 1)
    expected, _ = _run(scheduler, 20)
    np.testing.assert_allclose([rate(step) for step in range(20)], expected[:, 1], rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda o: schedulers.LambdaLR(o, lambda step: 0.9**step),
            "the scheduler is LambdaLR or MultiplicativeLR, which cannot be taken over: its function is not in the "
            "file;",
        ),
        (
            lambda o: schedulers.ReduceLROnPlateau(o),
            "the scheduler is ReduceLROnPlateau, which cannot be taken over: its rates follow a metric and not the "
            "count of steps;",
        ),
        (
            lambda o: schedulers.CyclicLR(o, 0.1, 0.2),
            "the scheduler is CyclicLR, which cannot be taken over: it has no closed form here;",
        ),
    ],
)
def test_schedulers_without_a_closed_form_are_refused(make, message):
    with pytest.raises(DilaxError) as raised:
        scheduler_rate(make(_optimizer()).state_dict(), {"lr": 0.1}, 0)
    assert str(raised.value) == (
        f"interop: {message} pass the checkpoint without it to go on at the optimizer's present rates, or use one of "
        "StepLR, MultiStepLR, ConstantLR, LinearLR, ExponentialLR, PolynomialLR, CosineAnnealingLR, "
        "CosineAnnealingWarmRestarts, OneCycleLR, SequentialLR, ChainedScheduler."
    )


def test_a_cosine_in_a_chain_is_refused():
    optimizer = _optimizer()
    chain = [schedulers.StepLR(optimizer, 3), schedulers.CosineAnnealingLR(optimizer, 9)]
    with pytest.raises(DilaxError) as raised:
        scheduler_rate(schedulers.ChainedScheduler(chain).state_dict(), {"lr": 0.1}, 0)
    assert str(raised.value) == (
        "interop: a ChainedScheduler with CosineAnnealingLR cannot be taken over: chained rates are those of StepLR, "
        "MultiStepLR, ConstantLR, LinearLR, ExponentialLR, PolynomialLR multiplied; "
        "pass the checkpoint without its scheduler."
    )


def _copied(state):
    inner = {"_schedulers": [_copied(one) for one in state["_schedulers"]]} if "_schedulers" in state else {}
    return {**state, **inner}


def _assert_same_state(found, expected, *, rates_too):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if key == "_schedulers":
            for own, other in zip(found[key], value, strict=True):
                _assert_same_state(own, other, rates_too=False)
        elif key == "_last_lr":
            if rates_too:
                np.testing.assert_allclose(found[key], value, rtol=1e-12, atol=1e-15)
        else:
            assert found[key] == value, key
            assert type(found[key]) is type(value), key
