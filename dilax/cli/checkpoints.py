"""``dilax checkpoints``: the checkpoints of a run listed, verified and pruned, without JAX."""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..errors import ArgumentError, FileError
from .console import console

# Columns that a table has room for.
_METRICS = 5


def checkpoints(
    run: tyro.conf.Positional[Path],
    *,
    verify: bool = False,
    prune: bool = False,
    keep: int = 3,
    keep_best: int = 1,
    metric: str = "mean_dice",
    mode: Literal["max", "min"] = "max",
    dry_run: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """List the checkpoints of a run with their metrics and sizes; verify them; delete those that need not be kept.

    For example:

        dilax checkpoints runs/brain
        dilax checkpoints runs/brain --verify
        dilax checkpoints runs/brain --prune --keep 1 --keep-best 2 --dry-run

    Args:
        run: Directory of a run.
        verify: Read every file and compare its SHA-256; the exit status is 1 if a step does not count. Otherwise names
            and sizes are compared alone.
        prune: Delete the steps that are neither among the newest nor among the best, without asking. All are verified
            before, and a step that does not count is left where it is.
        keep: Newest steps that --prune keeps.
        keep_best: Steps of the best metric that --prune keeps besides.
        metric: The metric that says which is best.
        mode: Whether its highest value is best or its lowest.
        dry_run: Say what --prune would delete, and delete nothing.
        as_json: Print one JSON object instead.
    """
    from ..train.retention import Retention
    from ..train.steps import all_steps, leftovers

    if dry_run and not prune:
        raise ArgumentError("checkpoints", "dry_run", True, "changes nothing without --prune", "pass both")
    _check(run)
    retention = Retention(keep, keep_best, metric, mode)
    steps = all_steps(run, hashes=verify or prune)
    removed = _prune(run, steps, retention, dry_run=dry_run) if prune else []
    if as_json:
        _print_json(run, steps, removed, hashed=verify or prune, dry_run=dry_run)
    else:
        _print_table(run, steps, hashed=verify or prune)
        for step in removed:
            verb = "would remove" if dry_run else "removed"
            console().print(f"{verb} {run / str(step.step)} ({_bytes(step.size)})")
        for name in leftovers(run):
            console().print(f"left over: {run / name}")
    return 1 if verify and not all(step.counts for step in steps) else 0


def _check(run: Path) -> None:
    from ..train.manifest import NAME
    from ..train.steps import candidates

    if not run.is_dir():
        rule = "is a file" if run.exists() else "does not exist"
        raise FileError("checkpoints", run, rule, "pass the directory of a run")
    if (run / NAME).exists():
        raise FileError("checkpoints", run, "is one step", f"pass the directory of its run, {str(run.parent)!r}")
    if not candidates(run):
        raise FileError("checkpoints", run, "holds no checkpoint", "pass the directory of a run")


def _prune(run: Path, steps: Any, retention: Any, *, dry_run: bool) -> list[Any]:
    """Delete what need not be kept, and say what that is.

    Raises:
        ArgumentError: No step has the metric, and some have others.
        FileError: A run is writing the directory, or it cannot be written.
    """
    from ..train.lock import Lock
    from ..train.retention import remove

    names = sorted({name for step in steps for name in step.metrics})
    if retention.keep_best and names and retention.metric not in names:
        raise ArgumentError(
            "checkpoints", "metric", retention.metric, f"is a metric of no step; they have {', '.join(names)}",
            "pass one of these, or --keep-best 0",
        )  # fmt: skip
    superfluous: list[Any] = retention.superfluous(steps)
    if dry_run:
        return superfluous
    lock = Lock(run)
    try:
        for step in superfluous:
            remove(run, step.step)
    except OSError as error:
        raise FileError("checkpoints", run, f"cannot be pruned ({error})", "see who may write there") from error
    finally:
        lock.release()
    return superfluous


def _print_table(run: Path, steps: Any, *, hashed: bool) -> None:
    from rich.table import Table

    names = sorted({name for step in steps for name in step.metrics}, key=lambda name: ("/" in name, name))
    table = Table(title=str(run), title_justify="left")
    for column in ("step", *names[:_METRICS], "size"):
        table.add_column(column, justify="right")
    table.add_column("verified" if hashed else "names and sizes", overflow="fold")
    for step in steps:
        values = [f"{step.metrics.get(name, math.nan):.4g}" for name in names[:_METRICS]]
        table.add_row(str(step.step), *values, _bytes(step.size), step.reason or "counts")
    console().print(table)
    if len(names) > _METRICS:
        console().print(f"{len(names) - _METRICS} more metrics: --json shows them")


def _print_json(run: Path, steps: Any, removed: list[Any], *, hashed: bool, dry_run: bool) -> None:
    from ..train.steps import leftovers

    listed = [
        {
            "step": step.step, "size": step.size, "counts": step.counts, "reason": step.reason,
            "metrics": {name: None if math.isnan(value) else value for name, value in step.metrics.items()},
        }
        for step in steps
    ]  # fmt: skip
    gone = [step.step for step in removed]
    about = {"directory": str(run), "verified": hashed, "steps": listed, "leftovers": leftovers(run)}
    print(json.dumps(about | {"removed": gone, "dry_run": dry_run}, indent=2, allow_nan=False))


def _bytes(size: int) -> str:
    from rich.filesize import decimal

    return decimal(size)
