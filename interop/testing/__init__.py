"""What a test that compares PyTorch and Flax imports; ``docs/testing.md`` shows how.

:mod:`interop.testing.plugin` gives pytest the fixture ``parity_input`` and the option ``--parity-report``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..randomising import randomise
    from .drawing import ParityInput
    from .parity import assert_parity

# Names load on first use: every run of pytest imports the plugin in here, and few need PyTorch or JAX.
_HOMES = {"ParityInput": ".drawing", "assert_parity": ".parity", "randomise": "..randomising"}

__all__ = ["ParityInput", "assert_parity", "randomise"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
