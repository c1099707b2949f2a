"""What a run does besides its steps, with an evaluation that costs nothing."""

import json
import math
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from dilax.data import load_source
from dilax.errors import BadSample
from dilax.models import registry
from dilax.train import (
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    OptimizerConfig,
    TrainConfig,
    load_model,
    read_arrays,
    read_meta,
    train,
)
from dilax.train import run as run_module
from dilax.train.dry_run import dry_run
from dilax.train.events import EpochDone, Event, RunEnded, RunStarted, SanityChecked, StepDone
from dilax.train.steps import all_steps
from dilax.train.task import prepare


@dataclass(frozen=True)
class PointConfig:
    in_channels: int = 3
    num_classes: int = 3


class Point(nnx.Module):
    """One linear map for each pixel."""

    def __init__(self, config: PointConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.last = nnx.Linear(config.in_channels, config.num_classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(x)


CONFIG = TrainConfig(
    model="point", epochs=3, steps_per_epoch=4,
    data=DataConfig("shapes_2d", batch_size=3, patch_size=(6, 7), options={"training": 5, "evaluation": 2}),
    optimizer=OptimizerConfig(learning_rate=0.1), checkpoints=CheckpointConfig(keep=99),
    evaluation=EvaluationConfig(sanity=0),
)  # fmt: skip


@pytest.fixture(autouse=True)
def point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._MODELS, "point", (PointConfig, Point))


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The mean Dice that each evaluation finds; the last again and again."""
    planned = [0.5]

    def evaluate(*_: Any, **__: Any) -> dict[str, float]:
        value = planned.pop(0) if len(planned) > 1 else planned[0]
        return {"mean_dice": value, "mean_iou": value / 2, "accuracy": 0.1}

    monkeypatch.setattr(run_module, "evaluate", evaluate)
    return planned


def _train(directory: Path, change: Any = None, **options: Any) -> tuple[Any, list[Event]]:
    events: list[Event] = []
    result = train(CONFIG.merge(change or {}), directory, report=events.append, **options)
    return result, events


def _all(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_checkpoints_between_epochs_have_no_metrics(tmp_path: Path, scores: list[float]) -> None:
    scores[:] = [0.3, math.nan, 0.2]
    _train(tmp_path, {"checkpoints": {"every_steps": 2}, "evaluation": {"sanity": 2}})
    found = {entry.step: entry.metrics.get("mean_dice") for entry in all_steps(tmp_path)}
    assert list(found) == [0, 2, 4, 6, 8, 10, 12]
    assert [found[step] for step in (0, 2, 6, 10)] == [None] * 4
    assert [found[step] for step in (8, 12)] == [0.2, 0.2]
    assert math.isnan(found[4])  # type: ignore[arg-type]  # 0.3 is the sanity check's, and not used
    assert read_meta(tmp_path).best == 0.2


def test_a_run_stops_when_nothing_gets_better_and_stays_stopped(tmp_path: Path, scores: list[float]) -> None:
    scores[:] = [0.3, 0.4, math.nan, 0.4]
    patience = {"epochs": 9, "evaluation": {"patience": 2}}
    result, events = _train(tmp_path, patience)
    assert (result.epoch, result.step) == (4, 16)
    assert _all(RunEnded, events)[-1].reason == "no better mean_dice in 2 evaluations"
    assert (read_meta(tmp_path).best, read_meta(tmp_path).progress["stale"]) == (0.4, 2)
    again, _ = _train(tmp_path, patience, resume=True)
    assert again.step == 16


def test_evaluations_may_be_rare_and_come_after_the_last_epoch(tmp_path: Path, scores: list[float]) -> None:
    _, events = _train(tmp_path, {"evaluation": {"every": 2}})
    assert [bool(event.metrics) for event in _all(EpochDone, events)] == [False, True, True]


def test_a_signal_in_an_evaluation_leaves_it_to_the_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = run_module.evaluate

    def interrupted(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return evaluate(*arguments, **options)

    monkeypatch.setattr(run_module, "evaluate", interrupted)
    result, events = _train(tmp_path)
    assert (result.step, result.epoch, result.stopped_by) == (4, 0, signal.SIGINT)
    assert _all(RunEnded, events)[-1].reason == "SIGINT"
    monkeypatch.setattr(run_module, "evaluate", evaluate)
    result, events = _train(tmp_path, resume=True)
    assert isinstance(events[1], EpochDone)
    assert (events[1].epoch, events[1].step, bool(events[1].metrics)) == (1, 4, True)
    losses = [event.loss for event in _all(StepDone, events)]
    assert events[1].loss != pytest.approx(sum(losses[:4]) / 4)
    assert result.step == 12


def test_the_same_batches_again_and_again(tmp_path: Path) -> None:
    result, events = _train(tmp_path, {"data": {"overfit_batches": 2}, "optimizer": {"learning_rate": 0.0}})
    losses = [event.loss for event in _all(StepDone, events)]
    assert len(set(losses)) == 2
    assert losses == losses[:2] * 6
    assert result.metrics == {}
    assert read_meta(tmp_path).data_position == {"position": 0}


def test_batch_size_and_schedule_may_change_on_resume(tmp_path: Path, scores: list[float]) -> None:
    _train(tmp_path, {"epochs": 1})
    change: Any = {"data": {"batch_size": 2}, "schedule": {"name": "poly", "power": 1.0}, "epochs": 2}
    _, events = _train(tmp_path, change, resume=True)
    assert [str(changed) for changed in _all(RunStarted, events)[0].changes] == [
        "epochs: 1 -> 2", "data.batch_size: 3 -> 2", "schedule.name: 'constant' -> 'poly'",
        "schedule.power: 0.9 -> 1.0",
    ]  # fmt: skip
    rates = [event.learning_rate for event in _all(StepDone, events)]
    assert rates == pytest.approx([0.1 * (1 - step / 8) for step in (4, 5, 6, 7)])
    assert read_meta(tmp_path).data_position == {"position": 4 * 3 + 4 * 2}


def test_the_mean_of_the_parameters_is_the_model_that_is_kept(tmp_path: Path, scores: list[float]) -> None:
    result, _ = _train(tmp_path, {"compute": {"average": 0.5}})
    model: Any = load_model(tmp_path)[0]
    raw = read_arrays(tmp_path, "parameters")["last.kernel"]
    np.testing.assert_array_equal(model.last.kernel[...], result.model.last.kernel[...])
    assert not np.array_equal(model.last.kernel[...], raw)
    change = {"compute": {"average": 0.5}, "epochs": 4}
    more, _ = _train(tmp_path, change, resume=True)
    whole, _ = _train(tmp_path.with_name("whole"), change)
    np.testing.assert_array_equal(more.model.last.kernel[...], whole.model.last.kernel[...])


def test_the_evaluation_is_tried_before_the_first_epoch(tmp_path: Path) -> None:
    _, events = _train(tmp_path, {"epochs": 1, "evaluation": {"sanity": 1}})
    assert [type(event) for event in events[:3]] == [RunStarted, SanityChecked, events[2].__class__]
    assert len(_all(SanityChecked, events)) == 1


def test_a_dry_run_says_what_would_be_done() -> None:
    found = dry_run(prepare(CONFIG.merge({"schedule": {"name": "cosine"}})))
    lines = str(found).splitlines()
    assert lines[:4] == [
        "model: point, 16 parameters",
        "steps: 12 (3 epochs of 4), learning rate 0.1 to 0.0017",
        "image: float32 (3, 6, 7, 3)",
        "labels: int32 (3, 6, 7)",
    ]
    assert lines[4].startswith("memory on each of 1 devices: state 0.0 MiB, step ")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Five pictures with their masks, of which one is cut short."""
    rng = np.random.default_rng(0)
    for kind, shape in (("images", (9, 8, 3)), ("masks", (9, 8))):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for index in range(5):
            pixels = rng.integers(3, size=shape).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / kind / f"{index}.png")
    torn = tmp_path / "data" / "images" / "3.png"
    torn.write_bytes(torn.read_bytes()[:-60])
    return torn


def test_a_bad_sample_ends_the_run_or_is_skipped_and_counted(
    tmp_path: Path, pictures: Path, scores: list[float]
) -> None:
    options = {"path": str(tmp_path / "data"), "class_names": ["a", "b", "c"], "held_out": 0.3}
    data = {"source": "folder", "options": options}
    with pytest.raises(BadSample) as caught:
        _train(tmp_path / "run", {"data": data})
    assert str(caught.value).startswith(f"read_example: {str(pictures)!r} ")
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["reason"]) == ("run_ended", str(caught.value))
    result, _ = _train(tmp_path / "other", {"data": data | {"bad_samples": "skip", "skip_limit": 3}})
    assert result.step == 12
    lines = [json.loads(line) for line in (tmp_path / "other" / "log.jsonl").read_text().splitlines()]
    (skipped,) = (line for line in lines if line["event"] == "sample_skipped")
    assert skipped["reason"].startswith(f"{pictures} ")
    assert (skipped["name"], skipped["count"], skipped["limit"]) == ("3", 1, 3)


def test_options_that_the_data_decides() -> None:
    task = prepare(CONFIG)
    assert task.config.model_options == {"in_channels": 3, "num_classes": load_source("shapes_2d").num_classes}
