"""Checkpoints that count only while every byte is what was written; alone in importing Orbax."""

import itertools
import math
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

from ..errors import ArgumentError, FileError
from . import manifest, meta
from .lock import Lock
from .meta import CheckpointMeta
from .steps import Newest, Skipped, candidates, locate, meta_of, newest, verified
from .trees import pack, unpack

_LEFTOVERS = re.compile(r"\d+\.(deleting|orbax-checkpoint-tmp.*)")


@dataclass(frozen=True)
class Restored:
    """A checkpoint that was read.

    Args:
        step: Its number.
        model_state: In the form of the target, or name to NumPy array if there was no target.
        optimizer_state: Likewise; None if the checkpoint has none.
        meta: What it says about itself.
        skipped: Newer steps that do not count.
    """

    step: int
    model_state: Any
    optimizer_state: Any
    meta: CheckpointMeta
    skipped: tuple[Skipped, ...] = ()


class Checkpoints:
    """The checkpoints of a run, one directory a step.

    A step is written in the background; its manifest, with the size and SHA-256 of every file,
    comes last. Only a step that agrees with its manifest counts. Use it as a context manager, or
    call :meth:`close`: the error of the last save is raised there.

    Args:
        directory: Where the steps are; made if absent.
        keep: Newest steps to keep.
        keep_best: Steps with the best metric to keep besides.
        metric: Name of the metric in ``meta.metrics``; higher is better, and NaN is never best.

    Raises:
        ArgumentError: ``keep`` is below 1 or ``keep_best`` below 0.
        FileError: The directory cannot be made or written, or another run is writing it.
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        keep: int = 3,
        keep_best: int = 1,
        metric: str = "mean_dice",
    ) -> None:
        if keep < 1:
            raise ArgumentError("Checkpoints", "keep", keep, "is below 1", "pass 1 or more")
        if keep_best < 0:
            raise ArgumentError("Checkpoints", "keep_best", keep_best, "is below 0", "pass 0 or more")
        self.directory = _make_directory(Path(directory))
        self._keep, self._keep_best, self._metric = keep, keep_best, metric
        self._lock = Lock(self.directory)
        _remove_leftovers(self.directory)
        self._writer = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler(), timeout_secs=600)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dilax-checkpoint")
        self._pending: Future[float] | None = None
        self._last = newest(self.directory).step

    def save(
        self,
        step: int,
        *,
        model_state: Any,
        optimizer_state: Any = None,
        meta: CheckpointMeta | None = None,
    ) -> None:
        """Copy the arrays and write them in the background; first wait for the save before.

        Args:
            step: Training steps done; higher than that of every checkpoint that counts.
            model_state: Pytree of arrays, e.g. ``model_arrays(model)`` or ``nnx.state(model)``.
            optimizer_state: Pytree of arrays; None if there is none, as after a conversion.
            meta: What to say about it; its ``step`` and ``arrays`` are filled in.

        Raises:
            ArgumentError: The step is not higher, or a leaf is no array.
            FileError: The save before this one failed, or this one cannot begin.
        """
        self.wait()
        self._check_step(step)
        items = {"model": model_state, "optimizer": optimizer_state}
        packed = {name: pack(tree) for name, tree in items.items() if tree is not None}
        about = replace(meta or CheckpointMeta(), step=step, arrays={k: v.about for k, v in packed.items()})
        about.to_json()
        path = self.directory / str(step)
        _set_aside(path)
        start = time.monotonic()
        saves = {name: ocp.args.StandardSave(item.arrays) for name, item in packed.items()}
        try:
            self._writer.save(path, args=ocp.args.Composite(**saves))
        except (OSError, ValueError, RuntimeError) as error:
            raise _write_error(path, error) from error
        self._pending = self._thread.submit(self._finish, path, about, start)

    def wait(self) -> float | None:
        """Wait until the last save counts.

        Returns:
            Seconds that it took from first to last; None if nothing was being saved.

        Raises:
            FileError: It failed.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return None
        try:
            return pending.result()
        except Exception as error:
            raise _write_error(self.directory, error) from error

    @property
    def saving(self) -> bool:
        """Whether a save is still going on in the background."""
        return self._pending is not None and not self._pending.done()

    def steps(self) -> tuple[int, ...]:
        """Numbers of the steps that count, lowest first; all their files are read."""
        return verified(self.directory)[0]

    def latest(self) -> Newest:
        """The newest step that counts, and the newer ones that do not."""
        return newest(self.directory)

    def about_newest(self) -> CheckpointMeta:
        """What the newest step that counts says about itself.

        Raises:
            FileError: There is no checkpoint.
            CorruptCheckpoint: There are some and none counts.
        """
        return meta_of(locate(self.directory, function="restore"))

    def best(self) -> int | None:
        """The step with the highest metric; None if no step has one."""
        ranked = self._ranked(list(self.steps()))
        return ranked[0] if ranked else None

    def restore(self, step: int | None = None, *, model_state: Any = None, optimizer_state: Any = None) -> Restored:
        """Read a step after comparing every file with its manifest.

        Args:
            step: Which; the newest that counts if None.
            model_state: Target: a pytree of arrays with the very names, shapes and dtypes expected.
            optimizer_state: Likewise. Without a target, an item is read as NumPy arrays by name.

        Raises:
            FileError: There is no such step, or an item with a target is not in it.
            CorruptCheckpoint: The step does not count, or none does.
            MismatchError: A name, shape or dtype differs from the target's; all are listed.
        """
        self.wait()
        skipped = self.latest().skipped if step is None else ()
        path = self.directory if step is None else self.directory / str(step)
        targets = {"model": model_state, "optimizer": optimizer_state}
        return replace(read_checkpoint(path, targets), skipped=skipped)

    def close(self) -> None:
        """Wait for the last save and let others write; harmless when repeated.

        Raises:
            FileError: The last save failed.
        """
        try:
            self.wait()
        finally:
            self._thread.shutdown()
            self._writer.close()
            self._lock.release()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_step(self, step: int) -> None:
        if isinstance(step, bool) or not isinstance(step, int) or step < 0:
            raise ArgumentError("save", "step", step, "is no step", "pass an integer from 0")
        if self._last is not None and step <= self._last:
            raise ArgumentError(
                "save", "step", step, f"is not above {self._last}, the newest checkpoint here",
                f"pass {self._last + 1} or more",
            )  # fmt: skip

    def _finish(self, path: Path, about: CheckpointMeta, start: float) -> float:
        self._writer.wait_until_finished()
        manifest.write_json(path / meta.NAME, about.to_json())
        manifest.write_manifest(path, step=about.step)
        manifest.sync_directory(self.directory)
        self._last = about.step
        self._prune(about.step)
        return time.monotonic() - start

    def _prune(self, last: int) -> None:
        # A damaged step is left where it is: it is evidence, and takes no other's place.
        good = [s for s in candidates(self.directory) if self._counts_roughly(s)]
        kept = {last, *good[: self._keep], *self._ranked(good)[: self._keep_best]}
        for step in set(good) - kept:
            gone = self.directory / f"{step}.deleting"
            os.replace(self.directory / str(step), gone)
            shutil.rmtree(gone)

    def _counts_roughly(self, step: int) -> bool:
        path = self.directory / str(step)
        return manifest.problem(path, step=step, only=meta.NAME) is None

    def _ranked(self, good: list[int]) -> list[int]:
        """Steps that have the metric, best first, the newer of two equals before the older."""
        values = {s: meta_of(self.directory / str(s)).metrics.get(self._metric) for s in good}
        usable = {s: v for s, v in values.items() if v is not None and math.isfinite(v)}
        return sorted(usable, key=lambda s: (usable[s], s), reverse=True)


def read_checkpoint(
    path: str | PathLike[str],
    targets: Mapping[str, Any] | None = None,
    *,
    items: Sequence[str] = ("model", "optimizer"),
) -> Restored:
    """Read a checkpoint; nobody needs to know its model.

    Args:
        path: Directory of a run (its newest step that counts) or of a step.
        targets: Pytrees of arrays for ``"model"`` and ``"optimizer"``, where wanted.
        items: What to read.

    Returns:
        The items, in the form of their targets, or name to NumPy array.

    Raises:
        FileError: There is no checkpoint, or an item with a target is not in it.
        CorruptCheckpoint: It does not count.
        MismatchError: A name, shape or dtype differs from the target's; all are listed.
    """
    where = locate(path, function="restore").resolve()
    about = meta_of(where)
    read = {}
    for name in items:
        target = (targets or {}).get(name)
        if name in about.arrays:
            arrays = _read_item(where, name, about.arrays[name])
            read[name] = unpack(arrays, about.arrays[name], target, name, where)
        elif target is not None:
            raise FileError("restore", where, f"holds no {name} state", "pass no target for it")
    return Restored(about.step, read.get("model"), read.get("optimizer"), about)


def read_arrays(path: str | PathLike[str], item: str = "model") -> dict[str, Any]:
    """Read one item as NumPy arrays by name; path and errors as in :func:`read_checkpoint`."""
    restored = read_checkpoint(path, items=(item,))
    found = {"model": restored.model_state, "optimizer": restored.optimizer_state}.get(item)
    if found is None:
        raise FileError("read_arrays", path, f"holds no {item} state", "ask for 'model'")
    arrays: dict[str, Any] = found
    return arrays


def _read_item(step: Path, item: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Read the arrays of an item that have elements; Orbax stores no others."""
    names = [name for name, (_, shape) in about.items() if 0 not in shape]
    as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    wanted = ocp.args.PyTreeRestore(dict.fromkeys(names, 0), restore_args=as_numpy)
    if not names:
        return {}
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as reader:
        read = reader.restore(step, args=ocp.args.Composite(**{item: wanted}))
    arrays: dict[str, Any] = read[item]
    return arrays


def _make_directory(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            "Checkpoints", directory, f"cannot be made ({os.strerror(error.errno or 0)})",
            "pass a directory that you may write to",
        ) from error  # fmt: skip
    # Orbax fails on a relative path, and only in the background.
    return directory.resolve()


def _remove_leftovers(directory: Path) -> None:
    for entry in directory.iterdir():
        if _LEFTOVERS.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)


def _set_aside(path: Path) -> None:
    """Rename what is in the way of a step: it does not count, and may be of use to somebody."""
    if not os.path.lexists(path):
        return
    names = (path.with_name(f"{path.name}.damaged-{n}") for n in itertools.count(1))
    os.replace(path, next(name for name in names if not os.path.lexists(name)))


def _write_error(path: Path, error: BaseException) -> FileError:
    return FileError(
        "Checkpoints", path, f"could not be written ({error})",
        "free some space or pass another directory",
    )  # fmt: skip
