"""Faults that a child brings upon itself. Each takes a number, of a step where nothing else is said."""

import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from dilax.data import source
from dilax.data.augmentation import augment
from dilax.train import manifest
from dilax.train.run import Run


def stall() -> None:
    """Say so, and wait to be killed."""
    print("stalled", flush=True)
    time.sleep(600)


def stop_itself() -> None:
    """Send itself SIGTERM."""
    os.kill(os.getpid(), signal.SIGTERM)


def stall_at_rename(step: int) -> None:
    """Stall when the arrays are written and are to get their name."""
    for name in ("rename", "replace"):
        real: Callable[..., Any] = getattr(os, name)

        def rename(source: Any, target: Any, *, real: Callable[..., Any] = real, **options: Any) -> None:
            if os.path.basename(target) == str(step) and "orbax-checkpoint-tmp" in str(source):
                stall()
            real(source, target, **options)

        setattr(os, name, rename)


def before_manifest(step: int, do: Callable[[], None]) -> None:
    """Do something when a step has its name and no manifest."""
    write = manifest.write_manifest

    def do_and_write(directory: Path, **arguments: Any) -> None:
        if directory.name == str(step):
            do()
        write(directory, **arguments)

    manifest.write_manifest = do_and_write


def fail() -> None:
    """Raise what a full disk raises."""
    raise OSError(28, "No space left on device")


def stall_at_deletion(step: int) -> None:
    """Stall when an old step is half deleted."""
    remove = shutil.rmtree

    def remove_half(path: Any, *arguments: Any, **options: Any) -> None:
        if Path(path).name == f"{step}.deleting":
            remove(Path(path) / "state")
            stall()
        remove(path, *arguments, **options)

    shutil.rmtree = remove_half  # type: ignore[assignment]


def stall_at_replacement(number: int) -> None:
    """Stall while the file of a step is replaced, before the first, second or third renaming."""
    replace, done = manifest.replace_json, []

    def replace_json(*arguments: Any) -> None:
        real = os.replace

        def rename(source: Any, target: Any) -> None:
            done.append(source)
            if len(done) == number:
                stall()
            real(source, target)

        os.replace = rename  # type: ignore[assignment]
        replace(*arguments)
        os.replace = real

    manifest.replace_json = replace_json


def stop_after_batch(step: int) -> None:
    """Send itself SIGTERM when a step was started, before the next is."""
    launch = Run._launch

    def launch_and_stop(self: Run) -> None:
        launch(self)
        if self.progress.step == step:
            stop_itself()

    Run._launch = launch_and_stop  # type: ignore[method-assign]


def stop_in_evaluation(epoch: int) -> None:
    """Send itself SIGTERM when the evaluation of an epoch begins."""
    evaluate = Run._evaluate

    def stop_and_evaluate(self: Run, **options: Any) -> dict[str, float]:
        if self.progress.epoch + 1 == epoch and "limit" not in options:
            stop_itself()
        return evaluate(self, **options)

    Run._evaluate = stop_and_evaluate  # type: ignore[method-assign]


def stop_in_compilation(milliseconds: int) -> None:
    """Send itself SIGTERM when XLA has been compiling the step for so long, and say when that was."""

    def stop() -> None:
        time.sleep(milliseconds / 1000)
        print("sent", flush=True)
        stop_itself()

    def listen(event: str, seconds: float, **about: Any) -> None:
        if about.get("fun_name", "").removeprefix("jit(").rstrip(")") != "step":
            return
        if event == "/jax/core/compile/jaxpr_to_mlir_module_duration":
            threading.Thread(target=stop).start()
        elif event == "/jax/core/compile/backend_compile_duration":
            print("compiled", flush=True)

    jax.monitoring.register_event_duration_secs_listener(listen)


def augment_slowly(*arguments: Any, **options: Any) -> Any:
    """A training sample that takes its time."""
    time.sleep(0.2)
    return augment(*arguments, **options)


def prepare_slowly(_: int) -> None:
    """Let training wait for its data, which other processes prepare as slowly: they find the function by its name."""
    source.augment = augment_slowly  # type: ignore[attr-defined]


def score_as_planned(best: int) -> None:
    """Let the evaluation of one epoch be the best, and all later ones worse, NaN or infinite."""

    def evaluate(self: Run, **_: Any) -> dict[str, float]:
        epoch = self.progress.epoch + 1
        dice = {0: math.nan, 1: math.inf}.get(epoch % 7, 0.6 - epoch / 100)
        return {"mean_dice": 0.75 if epoch == best else dice, "mean_iou": 0.5, "accuracy": 0.5}

    Run._evaluate = evaluate  # type: ignore[method-assign]


FAULTS: dict[str, Callable[[int], None]] = {
    "rename": stall_at_rename,
    "manifest": lambda step: before_manifest(step, stall),
    "saving": lambda step: before_manifest(step, stop_itself),
    "fail": lambda step: before_manifest(step, fail),
    "deletion": stall_at_deletion,
    "replacement": stall_at_replacement,
    "batch": stop_after_batch,
    "evaluation": stop_in_evaluation,
    "compilation": stop_in_compilation,
    "scores": score_as_planned,
    "data": prepare_slowly,
}


def bring_about(faults: tuple[str, ...]) -> dict[str, int]:
    """Prepare faults of the form ``PLACE:NUMBER``; those that are none of these are given back."""
    others = {}
    for fault in faults:
        place, _, number = fault.partition(":")
        if place in FAULTS:
            FAULTS[place](int(number))
        else:
            others[place] = int(number)
    return others
