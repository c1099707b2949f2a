"""``dilax train``: a run, shown as it goes."""

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from dilax.train.config import TrainConfig

from ..errors import ArgumentError, DilaxError, FileError

# Seconds for the other processes to say what they have to say.
_GRACE = 5.0


def train(
    *,
    output: Path | None = None,
    resume: Path | None = None,
    initial: Path | None = None,
    config: Path | None = None,
    options: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="NAME=VALUE ...")] = None,
    data_options: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="NAME=VALUE ...")] = None,
    dry_run: bool = False,
    sharding: Literal["data", "fsdp"] = "data",
    distributed: bool = False,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    run: Annotated[TrainConfig, tyro.conf.arg(name="")] = TrainConfig(),  # noqa: B008  # it is frozen
) -> int:
    """Train a model, with a checkpoint after each epoch; a killed run goes on exactly where it was.

    For example:

        dilax train --output runs/brain --options channels=8 batch_norm=true --learning-rate 0.003
        dilax train --output runs/street --config street.toml --optimizer.name sgd --schedule poly
        dilax train --resume runs/brain --epochs 20 --learning-rate 0.0003
        dilax train --output runs/tuned --initial converted
        dilax train --output runs/more --initial run.pth --model meshnet --options activation=elu
        dilax train --output runs/big --sharding fsdp --coordinator host0:1234 --num-processes 2 --process-id 0

    Args:
        output: Directory of a new run.
        resume: Directory of a run to go on with; what is not given stays as it was.
        initial: What to start from: a converted model or a run, which say the model and its options too, or a file of
            PyTorch, whose optimizer goes on with its state.
        config: A TOML file with any of the options below, those of a group in a table of its name.
        options: Options of the model, e.g. channels=8 activation=elu.
        data_options: Options of the data, e.g. path=/data/VOC2012.
        dry_run: Build everything, compile a step, and say what would be done.
        sharding: Whether every device has the whole state (data), or a part of each array (fsdp).
        distributed: Several processes, as SLURM or Kubernetes started them.
        coordinator: Several processes, meeting at this host:port of the first one.
        num_processes: How many there are.
        process_id: Which one this is, from 0.
        run: What the run is.
    """
    from dilax.train.layout import Layout
    from dilax.train.loop import train as begin
    from dilax.train.processes import is_first

    from .run_view import RunView

    if (output is None) == (resume is None) and not dry_run:
        raise ArgumentError(
            "train", "output", None if output is None else str(output),
            "must be given for a new run, and --resume for an old one, not both", "pass one of them",
        )  # fmt: skip
    run = _with_options(run, options, data_options)
    _meet(distributed, coordinator, num_processes, process_id)
    layout = Layout.over_all_devices(sharding)
    start, moments = _start(initial, run)
    if dry_run:
        return _describe(run, start, moments, layout)
    with RunView() if is_first() else nullcontext() as view:  # one process speaks for all
        where = resume or output or Path()
        with _leaving_together():
            result = begin(
                run, where, resume=resume is not None, initial=start, moments=moments, layout=layout, report=view
            )
    return 0 if result.stopped_by is None else 128 + result.stopped_by


def defaults(arguments: Sequence[str]) -> dict[str, Any]:
    """What the run is before the other flags: as its checkpoint or the initial model says, then as the file says."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("resume", "initial", "config", "model"):
        parser.add_argument(f"--{name}")
    given, _ = parser.parse_known_args(list(arguments))
    run = TrainConfig() if given.resume is None else _stored(given.resume)
    if given.config is not None:
        from dilax.train import read_config

        run = read_config(given.config, run)
    if given.model not in (None, run.model):
        run = dataclasses.replace(run, model=given.model, model_options={})
    if given.initial is not None:
        run = _as_initial(Path(given.initial), run)
    return {"run": run}


def _as_initial(path: Path, run: TrainConfig) -> TrainConfig:
    if path.is_file():
        from .from_torch import configure

        return configure(path, run)
    from dilax.train import read_meta

    about = read_meta(path, function="train")
    return dataclasses.replace(run, model=about.model, model_options=about.model_options)


def _start(initial: Path | None, run: TrainConfig) -> tuple[Any, Any]:
    """The model to begin with, and the optimizer's moments; None for new ones."""
    if initial is None:
        return None, None
    if initial.is_file():
        from .from_torch import load

        model, moments, about = load(initial, run)
        _say(f"read {initial}: {about}")
        return model, moments
    from dilax.train import load_model

    return load_model(initial)[0], None


def _stored(directory: str) -> TrainConfig:
    from dilax.train import read_meta

    stored = read_meta(directory, function="train").config
    if stored is None:
        raise FileError("train", directory, "was not written by a run", "pass it as --initial of a new run")
    return TrainConfig.from_dict(stored)


def _with_options(run: TrainConfig, options: Sequence[str] | None, data_options: Sequence[str] | None) -> TrainConfig:
    from .options import parse_options

    if options is not None:
        from dilax import models

        chosen = parse_options(models.config_type(run.model), options)
        run = dataclasses.replace(run, model_options={**run.model_options, **chosen})
    if data_options is not None:
        from dilax.data import source_options

        chosen = parse_options(source_options(run.data.source.partition(":")[0]), data_options)
        run = dataclasses.replace(run, data=dataclasses.replace(run.data, options={**run.data.options, **chosen}))
    return run


def _meet(distributed: bool, coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Join the other processes, if there are any."""
    if not distributed and coordinator is None and (num_processes is not None or process_id is not None):
        raise ArgumentError(
            "train", "coordinator", None, "leaves open where the processes meet",
            "pass --coordinator host:port, or --distributed where SLURM or Kubernetes started them",
        )  # fmt: skip
    if coordinator is not None and (num_processes is None or process_id is None):
        raise ArgumentError(
            "train", "coordinator", coordinator, "says where processes meet, but not which they are",
            "pass --num-processes and --process-id too",
        )  # fmt: skip
    if distributed or coordinator is not None:
        import jax

        try:
            jax.distributed.initialize(coordinator, num_processes, process_id)
        except (ValueError, RuntimeError) as error:
            name, value = ("distributed", True) if coordinator is None else ("coordinator", coordinator)
            raise ArgumentError(
                "train", name, value, f"leads to no other processes ({str(error).rstrip('.')})",
                "pass where they meet as --coordinator host:port, with --num-processes and --process-id",
            ) from error  # fmt: skip


@contextmanager
def _leaving_together() -> Iterator[None]:
    """End at once after an error in one of several processes; the others notice, and say so.

    JAX would first wait minutes for the others, and they for this one.
    """
    import jax

    try:
        yield
    except DilaxError as error:
        if jax.process_count() == 1:
            raise
        from .app import USER_ERROR, show_error

        show_error(error)
        if jax.process_index() == 0:  # when it is gone JAX ends the others without a word
            time.sleep(_GRACE)
        sys.stdout.flush()
        os._exit(USER_ERROR)


def _describe(run: TrainConfig, start: Any, moments: Any, layout: Any) -> int:
    from dilax.train.dry_run import dry_run
    from dilax.train.task import prepare

    _say(str(dry_run(prepare(run, start, moments=moments, layout=layout))))
    return 0


def _say(text: str) -> None:
    """Print it, in one process."""
    from dilax.train.processes import is_first

    from .console import console

    if is_first():
        console().print(text)
