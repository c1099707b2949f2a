"""Which subcommands there are, and what becomes of their errors."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from ..errors import DilaxError
from .console import error_console
from .convert import convert
from .demo import demo
from .export import export
from .inspect import inspect
from .predict import predict
from .train import train

_COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "inspect": inspect,
    "convert": convert,
    "train": train,
    "predict": predict,
    "export": export,
}

_DESCRIPTION = """Dilated-convolution models moved from PyTorch to JAX and Flax, with proof.

Begin with `dilax demo`; `dilax COMMAND --help` has examples. `--traceback`, anywhere, shows where an error arose."""

#: Exit status of an error that the user can put right; that of a wrong command line too.
USER_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit status: 0, 2 for an error of the user, 128 and its number for a signal.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    traceback = "--traceback" in arguments
    arguments = [argument for argument in arguments if argument != "--traceback"]
    try:
        status = tyro.extras.subcommand_cli_from_dict(
            _COMMANDS,
            prog="dilax",
            description=_DESCRIPTION,
            args=arguments or ["--help"],
            config=(tyro.conf.DisallowNone,),
        )
    except DilaxError as error:
        if traceback:
            raise
        error_console().print(f"dilax: {error}", style="red", markup=False)
        return USER_ERROR
    except KeyboardInterrupt:
        error_console().print("stopped", style="red")
        return 130
    return status or 0
