"""What a checkpoint says about itself, readable without JAX and without the arrays."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import manifest

NAME = "about.json"
#: Its name in version 1 of the format, whose content has other fields.
OLD_NAME = "meta.json"

_OLD_OUTER = ("step", "metrics", "arrays")


@dataclass(frozen=True)
class About:
    """What a checkpoint says about itself; everything in it is plain JSON.

    Args:
        step: Its number.
        metrics: Name to value; NaN where a metric has no finite value.
        arrays: Name to dtype and shape of every array.
        values: Name to type and value of every number or text of Python among the leaves.
        meta: What was passed to ``save`` as ``meta``.
    """

    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def only(self, part: str) -> "About":
        """The same for the leaves whose names begin with ``part`` and a dot; for all, if it is empty."""
        if not part:
            return self
        arrays = {name: entry for name, entry in self.arrays.items() if name.startswith(f"{part}.")}
        values = {name: entry for name, entry in self.values.items() if name.startswith(f"{part}.")}
        return replace(self, arrays=arrays, values=values)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON can hold them: a metric that is not finite becomes null."""
        metrics = {name: value if math.isfinite(value) else None for name, value in self.metrics.items()}
        return {
            "step": self.step, "metrics": metrics, "arrays": dict(self.arrays), "values": dict(self.values),
            "meta": dict(self.meta),
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: Any) -> "About":
        """Undo :meth:`to_json`.

        Raises:
            ValueError: The content is no such thing; the text says why.
        """
        expected = {"step", "metrics", "arrays", "values", "meta"}
        if not isinstance(content, dict) or set(content) != expected or type(content["step"]) is not int:
            raise ValueError("does not have the fields of a checkpoint's description")
        if not all(isinstance(content[name], dict) for name in expected - {"step"}):
            raise ValueError("does not have the fields of a checkpoint's description")
        return cls(**{**content, "metrics": _with_nan(content["metrics"])})


def read_about(step: Path) -> About:
    """Read what a step says about itself, of whichever version.

    Raises:
        OSError: The file cannot be read.
        ValueError: It does not say what a checkpoint says.
    """
    if (step / NAME).exists():
        return About.from_json(json.loads((step / NAME).read_bytes()))
    return _from_old(json.loads((step / OLD_NAME).read_bytes()))


def write_about(step: Path, about: About) -> None:
    """Write it, and flush it to disk.

    Raises:
        OSError: The file cannot be written.
    """
    manifest.write_json(step / NAME, about.to_json())


def items_of(step: Path, about: About) -> dict[str, dict[str, str]]:
    """Where the arrays of a step are: of each directory, name inside to name in ``about.arrays``."""
    if (step / NAME).exists():
        return {"state": {name: name for name in about.arrays}}
    items: dict[str, dict[str, str]] = {}
    for name in about.arrays:  # version 1 has a directory for the model and one for the optimizer
        item, _, inner = name.partition(".")
        items.setdefault(item, {})[inner] = name
    return items


def _from_old(content: Any) -> About:
    if not isinstance(content, dict) or not all(name in content for name in _OLD_OUTER):
        raise ValueError("does not have the fields of a checkpoint's description")
    arrays = {f"{item}.{name}": entry for item, found in content["arrays"].items() for name, entry in found.items()}
    meta = {name: value for name, value in content.items() if name not in _OLD_OUTER}
    return About(content["step"], _with_nan(content["metrics"]), arrays, {}, meta)


def _with_nan(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in metrics.items()}
