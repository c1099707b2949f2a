"""``dilax verify``: both frameworks on the same numbers, compared layer by layer."""

import json
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..errors import ArgumentError, DilaxError
from .console import console, error_console, working


def verify(
    file: tyro.conf.Positional[Path | None] = None,
    *,
    model: str | None = None,
    options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = (),
    torch: Annotated[str | None, tyro.conf.arg(metavar="MODULE:FACTORY")] = None,
    flax: Annotated[str | None, tyro.conf.arg(metavar="MODULE:FACTORY")] = None,
    shape: tuple[int, ...] = (),
    inputs: tuple[Path, ...] = (),
    channels: bool = True,
    gradients: bool = False,
    training: bool = False,
    steps: int = 0,
    html: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    all: bool = False,
) -> int:
    """Compare a model in PyTorch and in Flax, layer by layer, and say what is wrong with the first that differs.

    Status 0 if all is equal, 1 if something differs, 2 for a wrong use.

    For example:

        dilax verify model.pth --model meshnet --options activation=elu
        dilax verify model.pth --torch my.net:make --flax my.flax_net:make --shape 2 64 65 3 --html report.html
        dilax verify --torch my.net:make --flax my.flax_net:make --inputs tokens.npy --gradients --json

    Args:
        file: A checkpoint that both models are filled with; without it they must come with their numbers.
        model: Name of one of dilax's architectures, e.g. meshnet.
        options: Its options that the file cannot show, e.g. activation=elu.
        torch: What makes the PyTorch module, called without arguments, e.g. my_package.my_module:make.
        flax: What makes the Flax model, called without arguments.
        shape: Shape of a random input as the Flax model takes it, channels last, e.g. 2 64 65 3.
        inputs: Files of arrays, .npy, to run on instead, in the order of the model's arguments.
        channels: Whether floating inputs of three or more axes have channels; not so for sequences.
        gradients: Compare the gradients of all parameters and inputs too.
        training: Run in training mode and compare batch statistics too.
        steps: Compare the parameters over this many training steps too.
        html: A page to write with the whole report.
        as_json: Print the report as one JSON object on standard output, and all else on standard error.
        all: Show every row, where long runs of equal ones are folded otherwise.
    """
    import interop

    out = error_console() if as_json else console()
    with working("comparing", out=out) as show:
        module, flax_model, example = _sides(file, model, options, torch, flax)
        given = _inputs(shape, inputs, example)
        try:
            report = interop.verify(
                module, flax_model, given, training=training, gradients=gradients, steps=steps,
                channels=None if channels else False, progress=show,
            )  # fmt: skip
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if isinstance(error, DilaxError):
                raise
            raise DilaxError(
                f"verify: the models cannot run on the inputs ({type(error).__name__}: {_one_line(error)}); "
                "pass what both take with --shape or --inputs, channels last."
            ) from error
    if as_json:
        print(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    else:
        out.print(report.table(all=all))
    if html is not None:
        report.to_html(html)
        out.print(f"saved {html}")
    first = report.first_difference
    where = " in float32 alone" if report.proven else ""
    verdict = f"equal: {report.summary}" if first is None else f"different{where}: first {first.title}"
    out.print(verdict, style="green" if report.equal else "red")
    return 0 if report.equal else 1


def _sides(
    file: Path | None, model: str | None, options: tuple[str, ...], torch: str | None, flax: str | None
) -> tuple[Any, Any, Any]:
    """The PyTorch module, the Flax model, and an input if the model's name says what it takes."""
    if model is not None and (torch, flax) == (None, None) and file is not None:
        return _named(file, model, options)
    if model is None and torch is not None and flax is not None and not options:
        return (*_made(file, torch, flax), None)
    raise ArgumentError(
        "verify", "model", model, "and the other arguments do not say which two models to compare",
        "pass a FILE with --model, or both --torch and --flax, e.g. --torch my.net:make --flax my.flax_net:make",
    )  # fmt: skip


def _named(file: Path, name: str, texts: tuple[str, ...]) -> tuple[Any, Any, Any]:
    import interop
    from dilax import models
    from interop.loading_wrappers import find

    from .options import parse_options
    from .twins import small_input, torch_twin

    given = parse_options(models.config_type(name), texts)
    arrays = find("verify", interop.read(file)).arrays
    inferred = interop.infer_options(name, arrays)
    chosen = {**inferred.assumed, **inferred.options, **given}
    flax_model: Any = models.create(name, **chosen)
    prefix = interop.load(flax_model, arrays).prefix
    named = {key.removeprefix(prefix): array for key, array in arrays.items()}
    return torch_twin(name, chosen, named), flax_model, small_input(flax_model)


def _made(file: Path | None, torch: str, flax: str) -> tuple[Any, Any]:
    module, flax_model = _make("torch", torch), _make("flax", flax)
    if file is not None:
        import numpy as np
        import torch as framework

        import interop
        from interop.loading_wrappers import find

        arrays = find("verify", interop.read(file)).arrays
        interop.load(flax_model, arrays)
        try:
            module.load_state_dict({key: framework.tensor(np.array(array)) for key, array in arrays.items()})
        except RuntimeError as error:
            raise ArgumentError(
                "verify", "torch", torch, f"gives a module that cannot hold the file: {_one_line(error)}",
                "pass the checkpoint of this module",
            ) from None  # fmt: skip
    return module, flax_model


def _make(argument: str, text: str) -> Any:
    """What a factory gives: a function or class named as ``package.module:name``."""
    import importlib
    import os
    import sys

    where, _, name = text.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as python -m has it
    try:
        factory = getattr(importlib.import_module(where), name)
    except Exception as error:  # the user's module may raise anything
        raise ArgumentError(
            "verify",
            argument,
            text,
            f"cannot be imported ({error})",
            "pass a module and a function in it, as my.net:make",
        ) from None
    if not callable(factory):
        raise ArgumentError("verify", argument, text, "cannot be called", "pass a function that makes the model")
    return factory()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _inputs(shape: tuple[int, ...], files: tuple[Path, ...], example: Any) -> Any:
    import numpy as np

    from ..errors import FileError

    if shape and files:
        raise ArgumentError("verify", "shape", shape, "and --inputs are both given", "pass one of them")
    if shape:
        return np.random.default_rng(0).standard_normal(shape)
    arrays = []
    for file in files:
        try:
            arrays.append(np.load(file, allow_pickle=False))
        except (OSError, ValueError) as error:
            raise FileError("verify", file, f"is no array ({error})", "pass files that numpy.save wrote") from None
    if not arrays and example is None:
        raise ArgumentError(
            "verify", "shape", shape, "is not given, and nothing else says what the models take",
            "pass the shape of a random input, channels last, e.g. --shape 2 64 65 3, or --inputs FILE.npy",
        )  # fmt: skip
    return tuple(arrays) or example
