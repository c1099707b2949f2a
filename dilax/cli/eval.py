"""``dilax eval``: the metrics of a trained model, class by class."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table

from ..errors import ArgumentError, FileError
from .console import console


def eval(
    run: tyro.conf.Positional[Path],
    *,
    step: str | None = None,
    data: str | None = None,
    tile: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Evaluate a checkpoint of a run on the data that it was not trained on.

    For example:

        dilax eval runs/brain
        dilax eval runs/brain --step best --json

    Args:
        run: Directory of a run, or of one of its steps.
        step: A step's number, or best: that of the run's best metric; the newest if not given.
        data: Other data than the run's, e.g. voc:/data/VOC2012.
        tile: Edge of the tiles that are predicted, 0 for whole images; the run's if not given.
        as_json: Print one JSON object instead.
    """
    from dilax.data import load_source
    from dilax.train import Layout, TrainConfig, evaluate, load_model, make_predict, model_arrays, read_meta
    from dilax.train.task import check_model

    where = _step(run, step)
    stored = read_meta(where, function="eval").config
    if stored is None:
        raise FileError("eval", where, "was not written by a run", "pass the directory of a run")
    config = TrainConfig.from_dict(stored)
    chosen = config.data if data is None else dataclasses.replace(config.data, source=data, options={})
    source = load_source(chosen.source, chosen.options, bad_samples=chosen.bad_samples, skip_limit=chosen.skip_limit)
    model, about = load_model(where)
    check_model("eval", about.model, model, source)
    edge = config.evaluation.tile if tile is None else tile
    layout = Layout.over_all_devices()
    predict, arrays = make_predict(model, mesh=layout.here), layout.place(model_arrays(model))
    metrics = evaluate(predict, layout.copies_here(arrays), source, tile=edge, at_once=layout.devices_here)
    if as_json:
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        found = {"checkpoint": str(where), "step": about.step, "model": about.model, "data": chosen.source}
        print(json.dumps(found | {"metrics": finite}, indent=2, allow_nan=False))
        return 0
    console().print(metrics_table(metrics, f"{about.model} of step {about.step} on {chosen.source}"))
    return 0


def metrics_table(metrics: Any, title: str) -> Table:
    """Dice and intersection over union of each class, their means, and the accuracy."""
    table = Table(title, box=None, pad_edge=False, header_style="bold")
    for heading in ("Dice", "IoU"):
        table.add_column(heading, justify="right")
    names = [name.removeprefix("dice/") for name in metrics if name.startswith("dice/")]
    for name in names:
        table.add_row(name, f"{metrics[f'dice/{name}']:.3f}", f"{metrics[f'iou/{name}']:.3f}")
    table.add_row("mean", f"{metrics['mean_dice']:.3f}", f"{metrics['mean_iou']:.3f}", style="bold")
    table.add_row("accuracy", f"{metrics['accuracy']:.3f}", "")
    return table


def _step(run: Path, step: str | None) -> Path:
    if step is None:
        return run
    if step == "best":
        return _best(run)
    if not step.isdecimal():
        raise ArgumentError("eval", "step", step, "is neither a step nor best", "pass e.g. 120 or best")
    if not run.is_dir():
        return run  # which is what is wrong
    if not (run / step).exists():
        raise _absent(run, step)
    return run / step


def _absent(run: Path, step: str) -> FileError:
    from dilax.train.manifest import NAME
    from dilax.train.steps import candidates

    if (run / NAME).exists():
        fix = f"leave --step out, or pass the directory of its run, {str(run.parent)!r}"
        return FileError("eval", run, "is one step and has none", fix)
    steps = [str(found) for found in reversed(candidates(run))]
    fix = f"pass one of {', '.join(steps)}, or best" if steps else "pass the directory of a run"
    return FileError("eval", run, f"has no step {step}", fix)


def _best(run: Path) -> Path:
    from dilax.train import TrainConfig, all_steps, read_meta

    stored = read_meta(run, function="eval").config
    metric = TrainConfig.from_dict(stored).evaluation.metric if stored else "mean_dice"
    ranked = [
        (entry.metrics[metric], entry.step)
        for entry in all_steps(run)
        if entry.counts and math.isfinite(entry.metrics.get(metric, math.nan))
    ]
    if not ranked:
        raise FileError("eval", run, f"holds no step with a finite {metric!r}", "leave --step out")
    return run / str(max(ranked)[1])
