"""Which subcommands there are, and what becomes of their errors."""

import importlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import DilaxError

# Each has a module and a function of its name.
_COMMANDS = ("demo", "inspect", "convert", "verify", "train", "eval", "checkpoints", "predict", "export")

_DESCRIPTION = """Dilated-convolution models moved from PyTorch to JAX and Flax, with proof.

Begin with `dilax demo`; `dilax COMMAND --help` has examples. `--traceback`, anywhere, shows where an error arose."""

#: Exit status of an error that the user can put right; that of a wrong command line too.
USER_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit status: 0, 1 where ``dilax verify`` finds a difference or ``dilax checkpoints --verify`` damage, 2 for
        an error of the user, 128 and its number for a signal.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    traceback = "--traceback" in arguments
    arguments = [argument for argument in arguments if argument != "--traceback"]
    try:
        status = _run(arguments)
    except DilaxError as error:
        if traceback:
            raise
        show_error(error)
        return USER_ERROR
    except KeyboardInterrupt:
        from .console import error_console

        error_console().print("stopped", style="red")
        return 130
    return status or 0


def show_error(error: DilaxError) -> None:
    """Print an error that the user can put right."""
    from .console import error_console

    error_console().print(f"dilax: {error}", style="red")


def _run(arguments: list[str]) -> Any:
    if len(arguments) == 2 and arguments[0] == "inspect" and not arguments[1].startswith("-"):
        from .contents import show_path  # no option to parse: to import what parses takes as long as all of this

        return show_path(Path(arguments[1]))
    import tyro

    config = (tyro.conf.DisallowNone,)
    if arguments and arguments[0] in _COMMANDS:  # the others need not be imported: ``dilax inspect`` starts at once
        name = arguments[0]
        return tyro.cli(_command(name, arguments[1:]), prog=f"dilax {name}", args=arguments[1:], config=config)
    return tyro.extras.subcommand_cli_from_dict(
        {name: _command(name) for name in _COMMANDS},
        prog="dilax",
        description=_DESCRIPTION,
        args=arguments or ["--help"],
        config=config,
    )


def _command(name: str, arguments: Sequence[str] = ()) -> Callable[..., Any]:
    """The function, with the defaults that its arguments point to, if any."""
    module = importlib.import_module(f".{name}", __package__)
    command: Callable[..., Any] = getattr(module, name)
    defaults = getattr(module, "defaults", None)
    return command if defaults is None else partial(command, **defaults(arguments))
