"""What is read off a state_dict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: What is read: the shape of each array of a state_dict, by its name.
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class InferredOptions:
    """What a state_dict says about its model.

    Attributes:
        options: Options that its keys and shapes fix.
        assumed: Options that a state_dict cannot show, at the value taken for them.
    """

    options: dict[str, Any]
    assumed: dict[str, Any]
