"""Running statistics of normalisations."""

import torch

from .case import Case

_RUNNING = ("running_mean", "running_var")


def stale_statistics(case: Case) -> str | None:
    """Whether Flax normalises with the statistics that a new layer begins with."""
    own = {name: array for name, array in case.arrays().items() if name in _RUNNING}
    fresh = {"running_mean": torch.zeros_like, "running_var": torch.ones_like}
    for names in (_RUNNING, *((name,) for name in _RUNNING)):
        wrong = {name: fresh[name](own[name]) for name in names if name in own}
        if wrong and case.explains(case.with_arrays(wrong)):
            what = " and ".join(name.removeprefix("running_").replace("var", "variance") for name in wrong)
            return f"stale statistics: Flax has the running {what} of a new layer (mean 0, variance 1)"
    return None


def batch_statistics(case: Case) -> str | None:
    """Whether one side normalises with the batch's own statistics and the other with the running ones."""
    if not any(name in _RUNNING for name in case.arrays()):
        return None
    if case.explains(case.changed().train(not case.layer.training)):
        ours, theirs = ("running", "the batch's own") if case.layer.training else ("the batch's own", "running")
        return f"batch statistics: Flax normalises with {ours} statistics, PyTorch with {theirs} ones"
    return None


def momentum(case: Case) -> str | None:
    """Whether the running statistics move by another share of the batch's."""
    theirs = getattr(case.layer, "momentum", None)
    if case.buffer is None or not isinstance(theirs, float):
        return None
    own = case.attribute("momentum")
    values = [value for value in (own, 1 - theirs, 0.1, 0.9, 0.01, 0.99, 0.001, 0.003) if isinstance(value, float)]
    for value in values:
        if value != theirs and case.explains(case.changed(momentum=value)):
            return (
                f"momentum: Flax's statistics take a share of {value:g} of the batch's, PyTorch's {theirs:g} "
                "(Flax's own layers count the share that stays)"
            )
    return None


def biased_variance(case: Case) -> str | None:
    """Whether the running variance takes the batch's biased one."""
    x, share = case.array, getattr(case.layer, "momentum", None)
    if case.buffer != "running_var" or x is None or not isinstance(share, float):
        return None
    count = x.numel() // x.shape[1]
    before = case.arrays()["running_var"]
    batch = (case.expected["running_var"] - (1 - share) * before) / share
    if case.matches({"running_var": (1 - share) * before + share * batch * (count - 1) / count}):
        return "biased variance: Flax's running variance takes the batch's biased one, PyTorch's the unbiased one"
    return None
