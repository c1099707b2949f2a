"""The small number that a normalisation adds to a variance."""

from typing import Any

from .case import Case
from .functions import called, with_replaced

# Those that frameworks and well-known models have.
_COMMON = (1e-3, 1e-5, 1e-6, 1e-12, 1e-8, 1e-4, 1e-7, 0.0)
_FUNCTIONS = ("layer_norm", "batch_norm", "group_norm", "instance_norm")


def epsilon(case: Case) -> str | None:
    """Whether Flax normalises with another epsilon."""
    own = case.attribute("eps", "epsilon")
    values = [value for value in (own, *_COMMON) if isinstance(value, float)]
    theirs = getattr(case.layer, "eps", None)
    if isinstance(theirs, float):
        for value in values:
            if value != theirs and case.explains(case.changed(eps=value)):
                return f"epsilon: Flax normalises with {value:g}, PyTorch with {theirs:g}"
    else:
        for name in called(case, _FUNCTIONS):
            for value in values:
                if case.explains(with_replaced(case.changed(), name, _with_eps(value))):
                    return f"epsilon: the {name} in its own code has {value:g} in Flax and another in PyTorch"
    return None


def _with_eps(value: float) -> Any:
    def run(original: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*args, **{**kwargs, "eps": value})

    return run
