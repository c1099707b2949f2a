"""Other functions of ``torch.nn.functional`` in a module's own code, while the modules in it keep theirs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

from .case import Case


def called(case: Case, names: tuple[str, ...]) -> list[str]:
    """Which functions the layer's own code calls."""
    found: list[str] = []

    def noting(name: str) -> Callable[..., Any]:
        def run(original: Any, *args: Any, **kwargs: Any) -> Any:
            found.append(name)
            return original(*args, **kwargs)

        return run

    layer = case.changed()
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(replaced(layer, name, noting(name)))
        case.explains(layer)
    return list(dict.fromkeys(found))


@contextmanager
def replaced(module: torch.nn.Module, name: str, by: Callable[..., Any]) -> Iterator[None]:
    """Within, ``torch.nn.functional``'s ``name`` is another function where ``module``'s own forward calls it.

    Args:
        module: The module; modules inside it keep the function.
        name: The function's name.
        by: Called with the function itself, and then with its arguments.
    """
    original = getattr(torch.nn.functional, name)
    depth = 0

    def enter(_module: Any, _args: Any) -> None:
        nonlocal depth
        depth += 1

    def leave(_module: Any, _args: Any, _output: Any) -> None:
        nonlocal depth
        depth -= 1

    inner = [one for one in module.modules() if one is not module]
    handles = [
        handle for one in inner for handle in (one.register_forward_pre_hook(enter), one.register_forward_hook(leave))
    ]

    def choose(*args: Any, **kwargs: Any) -> Any:
        nonlocal depth
        if depth:
            return original(*args, **kwargs)
        depth += 1  # what is called instead may call the function itself
        try:
            return by(original, *args, **kwargs)
        finally:
            depth -= 1

    try:
        with mock.patch.object(torch.nn.functional, name, choose):
            yield
    finally:
        for handle in handles:
            handle.remove()


def with_replaced(module: torch.nn.Module, name: str, by: Callable[..., Any]) -> Callable[..., Any]:
    """The module as a function, with another function in its own code."""

    def run(*args: Any, **kwargs: Any) -> Any:
        with replaced(module, name, by):
            return module(*args, **kwargs)

    return run
