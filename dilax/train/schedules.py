"""The learning rate of every step, as plain numbers: it goes into the step, and is no part of any state."""

import math

from .config import ScheduleConfig


def learning_rate(config: ScheduleConfig, base: float, *, step: int, steps: int, steps_per_epoch: int) -> float:
    r"""The rate of one step.

    With the warm-up's length :math:`w` and :math:`t` steps done of :math:`T`, the rate of a warm-up's step is
    :math:`\eta (t + 1) / w`, and otherwise, with :math:`u = (t - w) / (T - w)` and the floor :math:`f`,

    - constant: :math:`\eta`;
    - poly: :math:`\eta (f + (1 - f) (1 - u)^p)`;
    - cosine: :math:`\eta (f + (1 - f) (1 + \cos \pi u) / 2)`;
    - step: :math:`\eta \gamma^m`, where :math:`m` milestones, in epochs of the run, are behind;
    - one_cycle: half a cosine from :math:`\eta / 25` to :math:`\eta`, then one to :math:`\eta / 250000`.

    Args:
        config: Which schedule.
        base: The optimizer's rate, the highest one.
        step: Steps done, from 0.
        steps: Steps of the whole run.
        steps_per_epoch: Steps of an epoch, for milestones.

    Returns:
        The rate.

    Differs from PyTorch: ``OneCycleLR`` moves the momentum as well.
    """
    warmup = config.warmup_steps
    if step < warmup:
        return base * (step + 1) / warmup
    if config.name == "step":
        passed = sum(step >= milestone * steps_per_epoch for milestone in config.milestones)
        return base * config.factor**passed
    if config.name == "one_cycle":
        return base * _one_cycle(step - warmup, steps - warmup, config.rise)
    done = min((step - warmup) / max(steps - warmup, 1), 1.0)
    share = {"constant": 1.0, "poly": (1 - done) ** config.power, "cosine": (1 + math.cos(math.pi * done)) / 2}
    return base * (config.floor + (1 - config.floor) * share[config.name])


def _one_cycle(step: int, steps: int, rise: float) -> float:
    """Between the last step of the rise and the last of all, both reached exactly."""
    top = rise * steps - 1
    if step <= top:
        return _between(1 / 25, 1.0, step / top if top > 0 else 1.0)
    left = steps - 1 - top
    return _between(1.0, 1 / 25 / 1e4, min((step - top) / left, 1.0) if left > 0 else 1.0)


def _between(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
