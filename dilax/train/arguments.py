"""What ``save`` is given, checked before anything is written."""

import math
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError


def step_of(step: Any, *, function: str = "save") -> int:
    """Check the number of a step.

    Raises:
        ArgumentError: It is no integer from 0.
    """
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise ArgumentError(function, "step", step, "is no step", "pass an integer from 0")
    return step


def due(step: int, *, last: int | None, every: int) -> bool:
    """Whether a multiple of ``every`` lies above the last step and not above this one."""
    return last is None or step // every > last // every


def metrics_of(metrics: Mapping[str, Any] | None) -> dict[str, float]:
    """Take metrics as numbers of Python; those that are not finite become NaN.

    Raises:
        ArgumentError: One is no number.
    """
    found: dict[str, float] = {}
    for name, value in (metrics or {}).items():
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise ArgumentError("save", f"metrics[{name!r}]", value, "is no number", "pass one number each") from error
        found[str(name)] = number if math.isfinite(number) else math.nan
    return found


def json_of(meta: Mapping[str, Any] | None) -> dict[str, Any]:
    """Take a copy of ``meta``, which later changes do not touch; tuples become lists.

    Raises:
        ArgumentError: Something in it is no JSON.
    """
    copied: dict[str, Any] = _plain({} if meta is None else meta, "meta")
    return copied


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: _plain(item, f"{where}[{name!r}]") for name, item in value.items()}
    raise ArgumentError(
        "save", where, value, "is no JSON",
        "pass dictionaries with texts for keys, lists, texts, finite numbers, True, False and None",
    )  # fmt: skip
