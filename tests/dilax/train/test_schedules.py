"""Rates are those of PyTorch's schedulers, step by step."""

import math
from typing import Any

import pytest

from dilax.train import ScheduleConfig, learning_rate

STEPS, EVERY, BASE = 23, 5, 0.3


def _rates(**options: Any) -> list[float]:
    config = ScheduleConfig(**options)
    return [learning_rate(config, BASE, step=n, steps=STEPS, steps_per_epoch=EVERY) for n in range(STEPS)]


def _torch_rates(make: Any) -> list[float]:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=BASE)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for step in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < STEPS:
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("options", "make"),
    [
        ({"name": "constant"}, lambda s, o: s.ConstantLR(o, factor=1)),
        ({"name": "poly", "power": 0.9}, lambda s, o: s.PolynomialLR(o, STEPS, power=0.9)),
        ({"name": "cosine", "floor": 0.1}, lambda s, o: s.CosineAnnealingLR(o, STEPS, eta_min=0.1 * BASE)),
        (
            {"name": "step", "milestones": (1, 3), "factor": 0.2},
            lambda s, o: s.MultiStepLR(o, [EVERY, 3 * EVERY], gamma=0.2),
        ),
        ({"name": "one_cycle"}, lambda s, o: s.OneCycleLR(o, BASE, total_steps=STEPS)),
        ({"name": "one_cycle", "rise": 0.55}, lambda s, o: s.OneCycleLR(o, BASE, total_steps=STEPS, pct_start=0.55)),
    ],
)
def test_rates_of_pytorch(options: Any, make: Any) -> None:
    assert _rates(**options) == pytest.approx(_torch_rates(make), rel=1e-12)


@pytest.mark.parametrize("name", ["constant", "poly", "cosine", "step", "one_cycle"])
def test_a_warm_up_rises_in_equal_parts_and_the_schedule_has_the_rest(name: Any) -> None:
    options: Any = {"name": name, "milestones": (2,)}
    warm = _rates(warmup_steps=4, **options)
    assert warm[:4] == pytest.approx([BASE / 4, BASE / 2, BASE * 3 / 4, BASE])
    config = ScheduleConfig(**options)
    if name == "step":  # whose milestones are those of the run
        rest = _rates(**options)[4:]
    else:
        rest = [learning_rate(config, BASE, step=n, steps=STEPS - 4, steps_per_epoch=EVERY) for n in range(STEPS - 4)]
    assert warm[4:] == pytest.approx(rest)


def test_behind_the_end_and_in_the_shortest_runs_rates_are_finite() -> None:
    for name in ("constant", "poly", "cosine", "step", "one_cycle"):
        config = ScheduleConfig(name=name, milestones=(1,))  # type: ignore[arg-type]
        for step, steps in ((0, 1), (1, 1), (40, 23), (0, 2), (1, 2)):
            rate = learning_rate(config, BASE, step=step, steps=steps, steps_per_epoch=EVERY)
            assert 0 <= rate <= BASE
            assert math.isfinite(rate)
