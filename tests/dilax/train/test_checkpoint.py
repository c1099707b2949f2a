import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from flax import nnx

from dilax.errors import ArgumentError, CorruptCheckpoint, FileError, MismatchError
from dilax.train import (
    CheckpointMeta,
    Checkpoints,
    manifest,
    model_arrays,
    read_arrays,
    read_meta,
)  # fmt: skip
from dilax.train.steps import all_steps, newest

STATE = {
    "weights": np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7,
    "list": [np.arange(3, dtype=np.int32), np.float32(2.5) * np.ones((), np.float32)],
    "half": np.array([1.1, -2.7], ml_dtypes.bfloat16),
    "none": np.zeros((0, 3), np.float32),
}


def _save(directory: Path, *steps: int, **options: Any) -> None:
    with Checkpoints(directory, keep=9, **options) as checkpoints:
        for step in steps:
            checkpoints.save(step, {"w": np.full(5, step, np.float32)})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved")
    _save(directory, 3, 7)
    return directory


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "run")


def _bits(tree: Any) -> list[tuple[str, tuple[int, ...], bytes]]:
    leaves = [
        jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(tree)
    ]
    return [(str(leaf.dtype), leaf.shape, np.asarray(leaf).tobytes()) for leaf in leaves]


def test_every_bit_comes_back_in_the_form_of_the_target(tiny: Any, tmp_path: Path) -> None:
    model = tiny()
    state = {**STATE, "model": nnx.to_pure_dict(nnx.state(model))}
    optimizer = optax.adamw(0.1).init(model_arrays(model, nnx.Param))
    with Checkpoints(tmp_path / "run") as checkpoints:
        checkpoints.save(4, {"model": state, "optimizer": optimizer})
        restored = checkpoints.restore(4, {"model": state, "optimizer": optimizer})
    assert (restored.step, restored.skipped) == (4, ())
    for found, expected in ((restored.state["model"], state), (restored.state["optimizer"], optimizer)):
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        assert _bits(found) == _bits(expected)
    assert isinstance(restored.state["model"]["weights"], np.ndarray)
    assert isinstance(restored.state["optimizer"][0].count, jax.Array)


def test_a_state_of_nnx_has_the_names_of_its_arrays(tiny: Any, tmp_path: Path) -> None:
    model = tiny()
    _, state = nnx.split(model)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(0, state)
        restored = checkpoints.restore_latest(state).state
    assert _bits(restored) == _bits(state)
    assert sorted(read_arrays(tmp_path, "")) == sorted(model_arrays(model))


def test_without_a_target_arrays_are_numpy_by_name(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(0, STATE)
    arrays = read_arrays(tmp_path / "0", "")
    assert sorted(arrays) == ["half", "list.0", "list.1", "none", "weights"]
    assert {type(array) for array in arrays.values()} == {np.ndarray}
    assert arrays["weights"].tobytes() == STATE["weights"].tobytes()  # type: ignore[attr-defined]
    assert arrays["half"].dtype == ml_dtypes.bfloat16
    assert arrays["none"].shape == (0, 3)


def test_what_it_says_about_itself_comes_back(tmp_path: Path) -> None:
    meta = CheckpointMeta(
        epoch=3, model="meshnet", model_options={"channels": 5}, config={"seed": 1},
        data_position={"next_index": 12},
        best=0.7, progress={"loss": 0.1}, source="a.pth",
    )  # fmt: skip
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(
            8, {"w": jnp.ones((2, 3))}, metrics={"mean_dice": 0.5, "dice/x": math.nan}, meta=meta.to_json()
        )
    found = read_meta(tmp_path)
    assert found.step == 8
    assert found.arrays == {"w": ["float32", [2, 3]]}
    assert found.metrics["mean_dice"] == 0.5
    assert math.isnan(found.metrics["dice/x"])
    same = ("epoch", "model", "model_options", "config", "data_position", "best", "source")
    assert all(getattr(found, name) == getattr(meta, name) for name in same)


def test_arrays_may_be_donated_as_soon_as_save_returns(tmp_path: Path) -> None:
    overwrite = jax.jit(lambda x: x * 0 - 1, donate_argnums=0)
    state = {"w": jnp.arange(1_000_000, dtype=jnp.float32)}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state)
        overwrite(state["w"]).block_until_ready()
    np.testing.assert_array_equal(read_arrays(tmp_path, "")["w"], np.arange(1_000_000, dtype=np.float32))


def test_a_relative_path_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _save(Path("run"), 1)
    assert read_meta("run").step == 1
    assert read_arrays("run/1", "")["w"].tolist() == [1] * 5


def _counting(directory: Path) -> list[int]:
    return [step.step for step in all_steps(directory) if step.counts]


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    values = {1: 0.5, 2: 0.9, 3: math.nan, 4: 0.1, 5: math.inf, 6: 0.2}
    with Checkpoints(tmp_path, keep=2, keep_best=1, metric="dice") as checkpoints:
        for step, value in values.items():
            checkpoints.save(step, {"w": np.full(2, step)}, metrics={"dice": value})
            checkpoints.wait()
            assert newest(tmp_path).step == step
        assert _counting(tmp_path) == [2, 5, 6]
        assert checkpoints.restore_best().state["w"].tolist() == [2, 2]
    with Checkpoints(tmp_path, keep=1, keep_best=1, metric="dice", mode="min") as checkpoints:
        checkpoints.save(7, {"w": np.ones(2)})
        checkpoints.wait()
        assert _counting(tmp_path) == [6, 7]
        assert checkpoints.restore_best().step == 6
        checkpoints.save(8, {"w": np.ones(2)}, metrics={"dice": jnp.float32(0.125)})
        checkpoints.wait()
        assert [(s.step, s.counts, s.metrics) for s in checkpoints.all()] == [(8, True, {"dice": 0.125})]
    with Checkpoints(tmp_path, keep=1, keep_best=0) as checkpoints:
        checkpoints.save(9, {"w": np.ones(2)})
    assert _counting(tmp_path) == [9]


def test_a_save_is_due_whenever_a_multiple_is_reached_or_passed(tmp_path: Path) -> None:
    given = {1: True, 5: False, 9: False, 10: True, 19: False, 37: True, 40: True, 41: False}
    with Checkpoints(tmp_path, every=10, keep=9) as checkpoints:
        assert {step: checkpoints.save(step, {"w": np.full(2, step)}) for step in given} == given
        assert checkpoints.last == 40
        assert checkpoints.save(41, {"w": np.full(2, 41)}, force=True)
    with Checkpoints(tmp_path, every=10, keep=9) as checkpoints:
        assert not checkpoints.save(49, {"w": np.full(2, 49)})
        assert checkpoints.save(50, {"w": np.full(2, 50)})
    assert _counting(tmp_path) == [1, 10, 37, 40, 41, 50]


def test_metrics_may_be_added_to_a_step_that_counts(copied: Path) -> None:
    with Checkpoints(copied, metric="dice") as checkpoints:
        checkpoints.save(9, {"w": np.ones(5, np.float32)}, metrics={"loss": 2.5, "dice": 0.1}, meta={"epoch": 1})
        checkpoints.add_metrics(9, {"dice": 0.75, "iou": math.nan})
        checkpoints.add_metrics(3, {"dice": 0.5}, meta={"epoch": [2]})
        assert [(step.step, step.counts, step.metrics.get("dice")) for step in checkpoints.all()] == [
            (3, True, 0.5), (7, True, None), (9, True, 0.75),
        ]  # fmt: skip
        restored = checkpoints.restore_best()
        assert (restored.step, restored.meta, restored.metrics["loss"]) == (9, {"epoch": 1}, 2.5)
        assert math.isnan(restored.metrics["iou"])
        restored = checkpoints.restore(3)
        assert (restored.meta, restored.state["w"].tolist()) == ({"epoch": [2]}, [3] * 5)
        with pytest.raises(FileError) as caught:
            checkpoints.add_metrics(4, {"dice": 1.0})
    assert str(caught.value) == (
        f"add_metrics: {str(copied / '4')!r} does not exist; pass the directory of a run or of one of its steps."
    )
    (copied / "9" / "about.json").write_bytes((copied / "7" / "about.json").read_bytes())
    assert _counting(copied) == [3, 7]


def test_a_file_that_is_being_replaced_is_the_old_or_the_new_one(copied: Path) -> None:
    step = copied / "7"
    old = (step / "about.json").read_bytes()
    with Checkpoints(copied) as checkpoints:
        checkpoints.add_metrics(7, {"dice": 0.5})
    new, listed = (step / "about.json").read_bytes(), json.loads((step / "manifest.json").read_bytes())
    entries = [{"size": len(text), "sha256": hashlib.sha256(text).hexdigest()} for text in (old, new)]
    assert listed["files"]["about.json"] == entries[1]
    (step / ".replacement.partial").write_bytes(new)
    listed["files"]["about.json"] = entries
    (step / "manifest.json").write_text(json.dumps(listed))
    for content in (old, new):
        (step / "about.json").write_bytes(content)
        assert manifest.problem(step, step=7) is None
    (step / "about.json").write_bytes(new[:-1] + b" ")
    assert manifest.problem(step, step=7) == "has other bytes in 'about.json' than were written"
    (step / "about.json").write_bytes(new + b" ")
    assert manifest.problem(step, step=7) == (
        f"has {len(new) + 1} bytes in 'about.json' where {len(old)} or {len(new)} were written"
    )
    listed["files"]["about.json"] = []
    (step / "manifest.json").write_text(json.dumps(listed))
    assert manifest.problem(step, step=7) == "has a manifest.json that does not describe 'about.json'"


@pytest.mark.parametrize("step", [7, 2])
def test_a_repeated_or_lower_step_is_an_error(copied: Path, step: int) -> None:
    with Checkpoints(copied) as checkpoints, pytest.raises(ArgumentError) as caught:
        checkpoints.save(step, {"w": np.ones(2)})
    assert str(caught.value) == (f"save: step={step} is not above 7, the newest checkpoint here; pass 8 or more.")
    assert _counting(copied) == [3, 7]


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ({"a": {"rate": len}}, {}, "Checkpoints: a.rate=<built-in function len> is no array, number or text; "
         "leave it out of the state, or pass it as meta."),
        ({"a.b": np.ones(2), "a": {"b": 3}}, {},
         "Checkpoints: state='a.b' names two leaves; give each its own name."),
        ({}, {"meta": {"a": [1, {"b": math.inf}]}}, "save: meta['a'][1]['b']=inf is no JSON; pass dictionaries with "
         "texts for keys, lists, texts, finite numbers, True, False and None."),
        ({}, {"meta": {"a": {3: 4}}}, "save: meta['a']={3: 4} is no JSON; pass dictionaries with "
         "texts for keys, lists, texts, finite numbers, True, False and None."),
        ({}, {"metrics": {"dice": "high"}}, "save: metrics['dice']='high' is no number; pass one number each."),
    ]  # fmt: skip
    with Checkpoints(tmp_path) as checkpoints:
        for state, options, message in cases:
            with pytest.raises(ArgumentError) as caught:
                checkpoints.save(0, state, **options)
            assert str(caught.value) == message
    assert _counting(tmp_path) == []


def test_every_difference_from_the_target_is_listed(tmp_path: Path) -> None:
    key = jax.random.key(0)
    with Checkpoints(tmp_path) as checkpoints:
        state = {"a": np.ones(3, np.float32), "b": np.ones(2), "k": key, "old": np.ones(1)}
        checkpoints.save(0, state)
        target = {
            "a": np.ones((3, 1), np.float32), "b": np.ones(2, np.float32), "k": np.ones(2),
            "new": np.ones(1),
        }  # fmt: skip
        with pytest.raises(MismatchError) as caught:
            checkpoints.restore_latest(target)
    assert str(caught.value) == (
        f"restore: the state in {str(tmp_path.resolve() / '0')!r} is not what the target "
        "asks for; build the target as it was when the checkpoint was saved."
        "\n  new: missing"
        "\n  old: unexpected"
        "\n  a: is float32 (3), expected float32 (3, 1)"
        "\n  b: is float64 (2), expected float32 (2)"
        "\n  k: is key<fry> (), expected float64 (2)"
    )


@pytest.mark.slow
def test_every_single_flipped_bit_of_the_manifest_is_noticed(copied: Path) -> None:
    path = copied / "7" / "manifest.json"
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            assert newest(copied).step == 3, (place, bit)


def test_an_added_file_and_another_version_are_named(copied: Path) -> None:
    (copied / "7" / "state" / "extra").write_text("x")
    (skipped,) = newest(copied).skipped
    assert skipped.reason == "holds 'state/extra', which its manifest.json does not list"
    (copied / "7" / "state" / "extra").unlink()
    path = copied / "7" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 3}))
    (skipped,) = newest(copied).skipped
    assert skipped.reason == "has version 3 of the format; this dilax reads 1 to 2"


def test_paths_that_hold_no_checkpoint(tmp_path: Path, copied: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    wanted = "pass the directory of a run or of one of its steps"
    for name, message in {
        "absent": f"does not exist; {wanted}.",
        "file": f"is a file; {wanted}.",
        "empty": "holds no checkpoint; pass the directory of a run or of a step.",
    }.items():
        with pytest.raises(FileError) as caught:
            read_meta(tmp_path / name)
        assert str(caught.value) == f"read_meta: {str(tmp_path / name)!r} {message}"
    for step in ("3", "7"):
        (copied / step / "manifest.json").unlink()
    with pytest.raises(CorruptCheckpoint) as caught:
        read_meta(copied)
    never = "has no manifest.json, so it was never completely saved"
    assert str(caught.value) == (
        f"read_meta: {str(copied)!r} holds no checkpoint that counts (7 {never}, 3 {never}); use another run."
    )
    with pytest.raises(CorruptCheckpoint) as caught:
        read_meta(copied / "7")
    assert str(caught.value) == f"read_meta: {str(copied / '7')!r} {never}; use another step."


def test_the_error_of_the_last_save_reaches_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dilax.train import manifest

    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"w": np.ones(3)})
    checkpoints.wait()
    monkeypatch.setattr(manifest, "write_manifest", fail)
    checkpoints.save(2, {"w": np.ones(3)})
    with pytest.raises(FileError) as caught:
        checkpoints.close()
    assert str(caught.value) == (
        f"Checkpoints: {str(tmp_path.resolve())!r} could not be written "
        "(step 2: [Errno 28] No space left on device); free some space or pass another directory."
    )
    assert newest(tmp_path).step == 1
    checkpoints.close()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with Checkpoints(tmp_path), pytest.raises(FileError) as caught:
        Checkpoints(tmp_path)
    assert str(caught.value) == (
        f"Checkpoints: {str(tmp_path.resolve())!r} is being written by another run; "
        "wait for it to end, or pass another directory."
    )
    Checkpoints(tmp_path).close()


def test_a_file_in_the_way_and_bad_arguments(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError) as caught:
        Checkpoints(tmp_path / "file")
    assert str(caught.value) == (
        f"Checkpoints: {str(tmp_path / 'file')!r} cannot be made (File exists); pass a directory that you may write to."
    )
    with pytest.raises(ArgumentError) as wrong:
        Checkpoints(tmp_path, keep=0)
    assert str(wrong.value) == "Checkpoints: keep=0 is below 1; pass 1 or more."
    with pytest.raises(ArgumentError) as wrong:
        Checkpoints(tmp_path, keep_best=-1)
    assert str(wrong.value) == "Checkpoints: keep_best=-1 is below 0; pass 0 or more."
    with pytest.raises(ArgumentError) as wrong:
        Checkpoints(tmp_path, every=0)
    assert str(wrong.value) == "Checkpoints: every=0 is below 1; pass 1 or more."
    with pytest.raises(ArgumentError) as wrong:
        Checkpoints(tmp_path, mode="best")  # type: ignore[arg-type]
    assert str(wrong.value) == "Checkpoints: mode='best' is no mode; pass 'max' or 'min'."
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(ArgumentError) as wrong:
            checkpoints.restore_best()
        assert str(wrong.value) == "restore_best: metric=None names no metric; pass one to Checkpoints."
        with pytest.raises(ArgumentError) as wrong:
            checkpoints.save(True, {})
        assert str(wrong.value) == "save: step=True is no step; pass an integer from 0."
    with Checkpoints(tmp_path, metric="dice") as checkpoints, pytest.raises(FileError) as caught:
        checkpoints.restore_best()
    assert str(caught.value) == (
        f"restore_best: {str(tmp_path)!r} holds no step with a finite 'dice'; use restore_latest."
    )
