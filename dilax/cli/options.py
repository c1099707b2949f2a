"""Options of a model or of data as they stand on the command line: ``channels=8 dilations=6,12,18``."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import ArgumentError, nearest

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_options(config: type[Any], texts: Sequence[str]) -> dict[str, Any]:
    """Give each option the type that a configuration says.

    Args:
        config: The configuration of a model or of a data source, a dataclass.
        texts: ``NAME=VALUE`` each.

    Raises:
        ArgumentError: A text has another form, an option is unknown or twice there, or its value is of another type.
    """
    types = get_type_hints(config)
    names = [field.name for field in dataclasses.fields(config)]
    options: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise ArgumentError("options", "options", text, "has no value", "pass NAME=VALUE, e.g. channels=8")
        if name not in names:
            raise ArgumentError(
                "options", "options", text, f"names no known option{nearest(name, names)}",
                f"pass some of {', '.join(names)}",
            )  # fmt: skip
        if name in options:
            raise ArgumentError("options", "options", text, f"sets {name} a second time", "set it once")
        options[name] = _value(text, value, types[name])
    return options


def parse_pairs(name: str, texts: Sequence[str]) -> dict[str, str]:
    """Old names to new ones.

    Args:
        name: Of the option, for the message.
        texts: ``OLD=NEW`` each.

    Raises:
        ArgumentError: A text has another form.
    """
    pairs = {}
    for text in texts:
        old, separator, new = text.partition("=")
        if not separator or not old:
            raise ArgumentError("options", name, text, "names no old and new name", "pass OLD=NEW, e.g. body=backbone")
        pairs[old] = new
    return pairs


def show_options(options: Mapping[str, Any]) -> str:
    """The options as :func:`parse_options` takes them, in one line."""
    return " ".join(
        f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}" for name, value in options.items()
    )


def _value(text: str, value: str, kind: Any) -> Any:
    if NoneType in get_args(kind):
        if value.lower() == "none":
            return None
        kind = get_args(kind)[0]
    try:
        if kind is bool:
            return _BOOLS[value.lower()]
        if get_origin(kind) is tuple:
            element = get_args(kind)[0]
            return tuple(element(part) for part in value.split(","))
        return kind(value) if kind in (int, float) else value
    except (KeyError, ValueError):
        numbers = "numbers" if get_args(kind)[:1] == (float,) else "whole numbers"
        example = {bool: "true or false", int: "a whole number", float: "a number"}.get(
            kind, f"{numbers} with commas between them, e.g. 6,12,18"
        )
        raise ArgumentError("options", "options", text, "has a value of another type", f"pass {example}") from None
