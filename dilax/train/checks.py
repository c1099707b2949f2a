"""Checks of configuration values, each naming the field and the fix."""

from typing import Any

from ..errors import ConfigError, nearest


def integers(owner: str, low: int, **values: Any) -> None:
    """Reject what is no integer from ``low`` to 2147483647.

    Raises:
        ConfigError: Some value is none.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**31:
            if low == 1:
                raise ConfigError(owner, name, value, "is no positive integer", "pass one, e.g. 8")
            raise ConfigError(owner, name, value, f"is no integer from {low} to 2147483647", "pass one, e.g. 1")


def numbers(owner: str, *, below: float = float("inf"), **values: Any) -> None:
    """Reject what is no number from 0 to, but not including, ``below``.

    Raises:
        ConfigError: Some value is none.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(owner, name, value, "is no number", "pass one, e.g. 0.001")
        if not 0 <= value < below:
            rule = "is negative or not finite" if below == float("inf") else f"is outside [0, {below:g})"
            raise ConfigError(owner, name, value, rule, "pass a number, e.g. 0.001")


def choice(owner: str, name: str, value: Any, names: tuple[str, ...]) -> None:
    """Reject what is none of the names.

    Raises:
        ConfigError: It is none.
    """
    if value not in names:
        raise ConfigError(
            owner, name, value, f"is unknown{nearest(str(value), names)}", f"pass one of {', '.join(names)}"
        )


def flags(owner: str, **values: Any) -> None:
    """Reject what is neither True nor False.

    Raises:
        ConfigError: Some value is neither.
    """
    for name, value in values.items():
        if not isinstance(value, bool):
            raise ConfigError(owner, name, value, "is neither True nor False", "pass one of them")
