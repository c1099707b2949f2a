import dataclasses
import json
import math
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from dilax.data import load_source
from dilax.errors import ArgumentError, CorruptCheckpoint, FileError, MismatchError
from dilax.models import registry
from dilax.train import (
    Change,
    CheckpointConfig,
    DataConfig,
    NonFiniteLoss,
    OptimizerConfig,
    TrainConfig,
    load_model,
    model_arrays,
    read_arrays,
    read_checkpoint,
    read_meta,
    save_model,
    train,
)
from dilax.train.events import CheckpointSaved, EpochDone, Event, RunEnded, RunStarted, StepDone
from dilax.train.steps import all_steps


@dataclass(frozen=True)
class SmallConfig:
    in_channels: int = 1
    channels: int = 4
    num_classes: int = 3


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tiny: Any) -> None:
    class Small(tiny):  # type: ignore[misc]
        def __init__(self, config: SmallConfig, *, rngs: nnx.Rngs) -> None:
            super().__init__(config.channels, seed=int(jax.random.randint(rngs(), (), 0, 999)))
            self.config = config

    monkeypatch.setitem(registry._MODELS, "small", (SmallConfig, Small))


CONFIG = TrainConfig(
    model="small", epochs=3, steps_per_epoch=4, data=DataConfig("shapes", batch_size=3, patch_size=9),
    optimizer=OptimizerConfig(learning_rate=0.01), checkpoints=CheckpointConfig(keep=2),
)  # fmt: skip


def _bits(directory: Path) -> dict[str, bytes]:
    restored = read_checkpoint(directory)
    return {name: array.tobytes() for name, array in restored.state.items()}


def test_events_checkpoints_and_log_tell_one_story(tmp_path: Path) -> None:
    events: list[Event] = []
    result = train(CONFIG, tmp_path / "run", report=events.append)
    assert isinstance(events[0], RunStarted)
    assert events[0].config.model_options == {"in_channels": 1, "channels": 4, "num_classes": 3}
    assert events[0].parameters == 27 * 4 + 4 + 4 * 3 + 3 + 4 + 4
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [(e.step, e.epoch, e.step_in_epoch) for e in steps] == [
        (4 * epoch + step, epoch + 1, step) for epoch in range(3) for step in (1, 2, 3, 4)
    ]
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert [(e.epoch, e.step) for e in epochs] == [(1, 4), (2, 8), (3, 12)]
    for epoch in epochs:
        losses = [event.loss for event in steps if event.epoch == epoch.epoch]
        assert epoch.loss == pytest.approx(sum(losses) / 4, rel=1e-12)
    assert sorted(e.step for e in events if isinstance(e, CheckpointSaved)) == [0, 4, 8, 12]
    assert events[-1] == RunEnded(12, 3, "finished", epochs[-1].metrics)
    assert (result.step, result.epoch, result.stopped_by) == (12, 3, None)
    assert result.metrics == epochs[-1].metrics
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    logged = [line["event"] for line in lines]
    assert [logged.count(n) for n in ("run_started", "epoch_done", "run_ended")] == [1, 3, 1]
    assert [line["loss"] for line in lines if line["event"] == "epoch_done"] == [epoch.loss for epoch in epochs]


def test_training_lowers_the_loss_and_the_result_is_the_last_checkpoint(tmp_path: Path) -> None:
    events: list[Event] = []
    config = CONFIG.merge({"steps_per_epoch": 30, "optimizer": {"learning_rate": 0.03}})
    result = train(config, tmp_path / "run", report=events.append)
    losses = [event.loss for event in events if isinstance(event, EpochDone)]
    assert losses[-1] < 0.6 * losses[0]
    assert result.metrics["mean_dice"] > 0.5
    loaded, meta = load_model(tmp_path / "run")
    assert (meta.step, meta.epoch, meta.model) == (90, 3, "small")
    assert meta.best is not None
    assert meta.best >= result.metrics["mean_dice"]
    x = np.random.default_rng(0).normal(size=(1, 6, 7, 8, 1)).astype(np.float32)
    np.testing.assert_array_equal(loaded(x), result.model(x))  # type: ignore[operator]


def test_an_interrupted_run_ends_bit_for_bit_where_it_would_have_ended(
    tmp_path: Path,
) -> None:
    whole: list[Event] = []
    train(CONFIG, tmp_path / "whole", report=whole.append)
    for stop in (1, 4, 6):  # in the first, after the last, and in the middle of an epoch
        run, parts = tmp_path / str(stop), list[Event]()

        def interrupt(event: Event, stop: int = stop) -> None:
            if isinstance(event, StepDone) and event.step == stop:
                signal.raise_signal(signal.SIGTERM)

        stopped = train(CONFIG, run, report=interrupt)
        # The next step of an epoch has begun when one is reported.
        assert (stopped.step, stopped.stopped_by) == (stop if stop == 4 else stop + 1, signal.SIGTERM)
        train(CONFIG, run, resume=True, report=parts.append)
        assert _bits(run) == _bits(tmp_path / "whole")
        for kind in (StepDone, EpochDone):
            expected = [event.loss for event in whole if isinstance(event, kind)]
            found = [event.loss for event in parts if isinstance(event, kind)]
            assert found == expected[len(expected) - len(found) :]
            assert found


@pytest.mark.slow
def test_learning_rate_and_epochs_may_change_on_resume(tmp_path: Path) -> None:
    train(CONFIG, tmp_path / "run")
    events: list[Event] = []
    config = CONFIG.merge({"epochs": 4, "optimizer": {"learning_rate": 0.0, "weight_decay": 0.5}})
    before = read_arrays(tmp_path / "run")
    result = train(config, tmp_path / "run", resume=True, report=events.append)
    started = events[0]
    assert isinstance(started, RunStarted)
    assert (started.resumed, started.step, started.epoch) == (True, 12, 3)
    assert started.changes == (
        Change("epochs", 3, 4),
        Change("optimizer.learning_rate", 0.01, 0.0),
        Change("optimizer.weight_decay", 0.01, 0.5),
    )
    after = model_arrays(result.model, nnx.Param)
    for name, array in after.items():
        np.testing.assert_array_equal(array, before[name])
    assert read_meta(tmp_path / "run").config["optimizer"]["learning_rate"] == 0  # type: ignore[index]


def test_any_other_change_is_refused(tmp_path: Path) -> None:
    train(replace(CONFIG, epochs=1), tmp_path / "run")
    with pytest.raises(MismatchError) as caught:
        train(replace(CONFIG, seed=1, model_options={"channels": 5}), tmp_path / "run", resume=True)
    assert "\n  model_options.channels: 4 -> 5\n  seed: 0 -> 1" in str(caught.value)


def test_resuming_a_finished_run_does_nothing(tmp_path: Path) -> None:
    first = train(CONFIG, tmp_path / "run")
    steps = all_steps(tmp_path / "run")
    again = train(CONFIG, tmp_path / "run", resume=True)
    assert (again.step, again.metrics) == (first.step, first.metrics)
    assert all_steps(tmp_path / "run") == steps


@pytest.mark.slow
def test_a_damaged_checkpoint_is_skipped_and_named(tmp_path: Path) -> None:
    train(CONFIG, tmp_path / "whole")
    train(CONFIG, tmp_path / "run")
    path = tmp_path / "run" / "12" / "about.json"
    path.write_bytes(path.read_bytes()[:-5])
    events: list[Event] = []
    train(CONFIG, tmp_path / "run", resume=True, report=events.append)
    started = events[0]
    assert isinstance(started, RunStarted)
    (skipped,) = started.skipped
    assert started.step == 8
    assert str(skipped).startswith("12 has ")
    assert "bytes in 'about.json' where " in str(skipped)
    assert _bits(tmp_path / "run") == _bits(tmp_path / "whole")


@pytest.mark.slow
def test_an_initial_model_is_where_training_starts(tmp_path: Path) -> None:
    initial: Any = registry._MODELS["small"][1](SmallConfig(), rngs=nnx.Rngs(77))
    before = {k: np.array(v) for k, v in model_arrays(initial, nnx.Param).items()}
    train(CONFIG.merge({"epochs": 1, "checkpoints": {"keep": 9}}), tmp_path / "run", initial=initial)
    stored = read_arrays(tmp_path / "run" / "0")
    for name, array in before.items():
        np.testing.assert_array_equal(stored[name], array)
        np.testing.assert_array_equal(model_arrays(initial)[name], array)
    with pytest.raises(ArgumentError) as caught:
        train(replace(CONFIG, model_options={"channels": 5}), tmp_path / "other", initial=initial)
    assert str(caught.value) == (
        "train: initial=SmallConfig(in_channels=1, channels=4, num_classes=3) is not the "
        "configured SmallConfig(in_channels=1, channels=5, num_classes=3); "
        "pass its configuration as model_options."
    )


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_checkpoint(
    tmp_path: Path,
) -> None:
    train(replace(CONFIG, epochs=1), tmp_path / "run")
    bits = _bits(tmp_path / "run")
    with pytest.raises(NonFiniteLoss) as caught:
        train(CONFIG.merge({"optimizer": {"learning_rate": 1e38}}), tmp_path / "run", resume=True)
    text, record = str(caught.value), tmp_path / "run" / "not-finite-at-5.npz"
    assert text == (
        "train: parameters after step 5 are not finite; resume from the last checkpoint with a lower learning rate, "
        f"and see the batch in {str(record)!r}."
    )
    with np.load(record) as batch:
        assert sorted(batch) == ["image", "labels", "learning_rate", "loss", "position", "seed", "step"]
        assert (int(batch["position"]), int(batch["step"]), int(batch["seed"])) == (12, 5, 0)
        batches = iter(load_source("shapes").training(batch_size=3, seed=0, crop=9))
        batches.set_state({"position": 12})
        np.testing.assert_array_equal(batch["image"], next(batches)["image"])
    assert _bits(tmp_path / "run") == bits
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["reason"]) == ("run_ended", text)
    assert train(CONFIG, tmp_path / "run", resume=True).step == 12


def test_directories_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(FileError) as caught:
        train(CONFIG, tmp_path / "full")
    assert str(caught.value) == (
        f"train: {str(tmp_path / 'full')!r} is not empty; resume the run in it (--resume), or pass another directory."
    )
    with pytest.raises(FileError) as caught:
        train(CONFIG, tmp_path / "absent", resume=True)
    assert str(caught.value) == (
        f"train: {str(tmp_path / 'absent')!r} is no run to resume; pass the directory of a run."
    )
    with pytest.raises(FileError) as caught:
        train(CONFIG, tmp_path / "full", resume=True)
    assert "holds no checkpoint; pass the directory of a run or of a step." in str(caught.value)
    model: Any = registry._MODELS["small"][1](SmallConfig(), rngs=nnx.Rngs(0))
    save_model(tmp_path / "converted", model, name="small", source="x.pth")
    with pytest.raises(FileError) as caught:
        train(CONFIG, tmp_path / "converted", resume=True)
    assert str(caught.value) == (
        f"train: {str((tmp_path / 'converted').resolve())!r} was not written by a run; start a new run from its model."
    )
    (tmp_path / "converted" / "0" / "manifest.json").unlink()
    with pytest.raises(CorruptCheckpoint):
        train(CONFIG, tmp_path / "converted", resume=True)


def test_a_model_that_does_not_fit_the_data(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError) as caught:
        train(replace(CONFIG, model_options={"num_classes": 5}), tmp_path / "run")
    assert str(caught.value) == ("train: num_classes=5 is not the 3 that the data has; pass num_classes=3.")
    with pytest.raises(ArgumentError) as caught:
        train(CONFIG.merge({"data": {"patch_size": 99}}), tmp_path / "run")
    assert str(caught.value) == (
        "training: crop=99 does not fit into the training part of shapes; pass at most (28, 16, 24)."
    )
    with pytest.raises(ArgumentError) as caught:
        train(CONFIG.merge({"data": {"source": "shape"}}), tmp_path / "run")
    assert str(caught.value) == (
        "load_source: name='shape' is no data source (did you mean 'shapes'?); "
        "pass one of cityscapes, folder, mni152, nifti, shapes, shapes_2d, voc."
    )
    assert not (tmp_path / "run").exists()


def test_a_model_saved_without_training_loads_again(tmp_path: Path) -> None:
    model: Any = registry._MODELS["small"][1](SmallConfig(channels=6), rngs=nnx.Rngs(3))
    save_model(tmp_path / "converted", model, name="small", source="x.pth")
    loaded, meta = load_model(tmp_path / "converted")
    assert (meta.source, meta.step, meta.config) == ("x.pth", 0, None)
    assert dataclasses.asdict(loaded.config)["channels"] == 6  # type: ignore[attr-defined]
    for name, array in model_arrays(loaded, nnx.Param).items():
        np.testing.assert_array_equal(array, model_arrays(model)[name])


def test_the_log_goes_on_below_a_torn_line_and_holds_no_nan(tmp_path: Path) -> None:
    from dilax.train.log import Log

    path = tmp_path / "log.jsonl"
    path.write_text('{"event": "epo')
    log = Log(path)
    log(RunEnded(3, 1, "finished", {"mean_dice": math.nan, "accuracy": 0.5}))
    log(StepDone(1, 1, 1, 0.1, 0.2, 0.01, 0.3))
    log.close()
    torn, line = path.read_text().splitlines()
    assert torn == '{"event": "epo'
    read = json.loads(line)
    assert read.pop("time")
    assert read == {
        "event": "run_ended", "step": 3, "epoch": 1, "reason": "finished",
        "metrics": {"mean_dice": None, "accuracy": 0.5},
    }  # fmt: skip
