"""What PyTorch says of an optimizer: its class, its options, which parameters it trains, the scheduler beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from dilax.errors import ArgumentError, nearest

from ..arrays import is_array, to_numpy
from ..files.optimizers import number

# Options of a parameter group and their defaults in torch.optim.
_SHARED = {"lr": 1e-3, "weight_decay": 0.0, "maximize": False, "foreach": None, "differentiable": False}
_ADAM = {
    "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, "capturable": False, "fused": None,
    "decoupled_weight_decay": False,
}  # fmt: skip
DEFAULTS: dict[str, dict[str, Any]] = {
    "SGD": {**_SHARED, "momentum": 0.0, "dampening": 0.0, "nesterov": False, "fused": None},
    "Adam": {**_SHARED, **_ADAM},
    "AdamW": {**_SHARED, **_ADAM, "weight_decay": 1e-2, "decoupled_weight_decay": True},
    "RMSprop": {
        **_SHARED, "lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False, "capturable": False,
    },
    "Adagrad": {**_SHARED, "lr": 1e-2, "lr_decay": 0.0, "eps": 1e-10, "initial_accumulator_value": 0.0, "fused": None},
}  # fmt: skip
#: What schedulers keep in a group beside the optimizer's own options.
SCHEDULED = frozenset({"initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum"})


@dataclass(frozen=True)
class TorchOptimizer:
    """An optimizer of ``torch.optim``, in PyTorch's words.

    Args:
        kind: ``"SGD"``, ``"Adam"``, ``"AdamW"``, ``"RMSprop"`` or ``"Adagrad"``.
        options: Options of each group of parameters, e.g. ``[{"lr": 0.1, "momentum": 0.9}]``; PyTorch's defaults stand
            for those left out.
        groups: Which parameters each group trains, by PyTorch's keys or by patterns such as ``"*.bias"``; the
            parameters of a group are in the model's order of definition, unless all are given by key. None for one
            group of all.
        scheduler: ``state_dict()`` of the scheduler that sets the learning rates, or its options alone, e.g.
            ``{"T_max": 100, "eta_min": 0.0}``; None for constant rates.
        steps_per_epoch: Steps of the optimizer for one ``scheduler.step()``.

    Raises:
        ArgumentError: The kind or an option has no equal in JAX, or the numbers of groups differ.
    """

    kind: str
    options: Sequence[Mapping[str, Any]]
    _: KW_ONLY
    groups: Sequence[Sequence[str]] | None = None
    scheduler: Mapping[str, Any] | None = None
    steps_per_epoch: int = 1

    def __post_init__(self) -> None:
        if self.kind not in DEFAULTS:
            raise ArgumentError(
                "TorchOptimizer", "kind", self.kind, f"has no equal in JAX here{nearest(self.kind, DEFAULTS)}",
                f"use one of {', '.join(DEFAULTS)}",
            )  # fmt: skip
        groups = 1 if self.groups is None else len(self.groups)
        if len(self.options) != groups:
            raise ArgumentError(
                "TorchOptimizer", "options", f"{len(self.options)} groups", f"is not the {groups} of groups",
                "pass options and parameters of each group",
            )  # fmt: skip
        if type(self.steps_per_epoch) is not int or self.steps_per_epoch < 1:
            raise ArgumentError(
                "TorchOptimizer", "steps_per_epoch", self.steps_per_epoch, "is no count of steps", "pass 1 or more"
            )
        object.__setattr__(self, "options", tuple(self._completed(group) for group in self.options))

    def unused(self) -> tuple[str, ...]:
        """Options that are kept for PyTorch and mean nothing to its optimizer."""
        known = DEFAULTS[self.kind].keys() | SCHEDULED
        return tuple(dict.fromkeys(name for group in self.options for name in group if name not in known))

    def _completed(self, group: Mapping[str, Any]) -> dict[str, Any]:
        options = DEFAULTS[self.kind] | {name: _plain(value) for name, value in group.items()}
        if options["differentiable"]:
            raise ArgumentError(
                "TorchOptimizer", "differentiable", True, "has no equal in JAX here",
                "pass False: JAX differentiates through any optimizer",
            )  # fmt: skip
        for name in DEFAULTS[self.kind].keys() & group.keys():
            default = DEFAULTS[self.kind][name]
            numeric = type(default) is float and number(options[name]) is None
            if numeric or (name == "betas" and len(options[name]) != 2):
                raise ArgumentError("TorchOptimizer", name, options[name], "is no number", "pass a plain number")
        return options


def _plain(value: Any) -> Any:
    """A number for an array of one, such as a learning rate that is a tensor."""
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    if is_array(value):
        found = number(to_numpy(value))
        return value if found is None else found
    return value
