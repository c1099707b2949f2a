"""What is read off a state_dict."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InferredOptions:
    """What a state_dict says about its model.

    Attributes:
        options: Options that its keys and shapes fix.
        assumed: Options that a state_dict cannot show, at the value taken for them.
    """

    options: dict[str, Any]
    assumed: dict[str, Any]
