"""Checkpoints that count only while every byte is what was written."""

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import ArgumentError, FileError
from . import manifest
from .about import NAME, About, write_about
from .arguments import due, json_of, metrics_of, step_of
from .background import Background
from .failure import LostProcess
from .lock import Lock
from .orbax_files import write_arrays
from .processes import done_by_first, from_first, is_first
from .reading import Restored, find_best, find_latest, found, read_step
from .retention import Mode, Retention, remove, remove_leftovers
from .steps import Skipped, Step, about_of, all_steps, locate, newest
from .trees import pack


class Checkpoints:
    """The checkpoints of a run, one directory a step.

    A step is written in the background; its manifest, with the size and SHA-256 of every file,
    comes last. Only a step that agrees with its manifest counts. Use it as a context manager, or
    call :meth:`close`: the error of the last save is raised there. If neither is done, the process
    says the error when it ends, with exit status 1.

    A state is any pytree: arrays of JAX and NumPy, random keys, modules, optimizers and states of
    Flax NNX, and numbers and texts of Python. What changes its form from step to step, or is no leaf,
    such as the state of a data iterator, goes into ``meta``, which is JSON.

    With several processes all of them make it, and call ``save`` and ``restore`` together, on one
    file system; the first one's numbers, texts, local arrays and ``meta`` are saved.

    Args:
        directory: Where the steps are; made if absent.
        every: ``save`` saves the first step it is given, and then whenever a multiple of this, in
            steps or epochs, whichever it is given, is reached or passed.
        keep: Newest steps to keep.
        keep_best: Steps with the best metric to keep besides.
        metric: Name of that metric; NaN, infinite and absent values are never best.
        mode: Whether its highest value is best, ``"max"``, or its lowest, ``"min"``.

    Raises:
        ArgumentError: A value is out of range.
        FileError: The directory cannot be made or written, or another run is writing it.
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        every: int = 1,
        keep: int = 3,
        keep_best: int = 1,
        metric: str | None = None,
        mode: Mode = "max",
    ) -> None:
        if every < 1:
            raise ArgumentError("Checkpoints", "every", every, "is below 1", "pass 1 or more")
        self._every, self._retention = every, Retention(keep, keep_best, metric, mode)
        self._lock: Lock | None = None
        self.directory = Path(from_first(lambda: str(self._open(Path(directory)))))
        self._background = Background()
        self._last: int | None = None
        self._looked = False

    def save(
        self,
        step: int,
        state: Any,
        *,
        metrics: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> bool:
        """Copy the arrays and write them in the background; first wait for the save before.

        Args:
            step: Steps or epochs done; higher than that of every checkpoint that counts.
            state: Any pytree; see the class.
            metrics: Name to number.
            meta: JSON to keep with it.
            force: Save whether it is due or not, as at the end of a run.

        Returns:
            Whether it is being saved: whether it was due.

        Raises:
            ArgumentError: The step is not higher, or something cannot be saved.
            FileError: The save before this one failed.
        """
        self._check_step(step_of(step))
        if not force and not due(step, last=self._last, every=self._every):
            return False
        self.wait()
        packed = pack(state)
        about = About(step, metrics_of(metrics), packed.described, packed.values, json_of(meta))
        self._last = step
        self._background.start(partial(self._write, about, packed.arrays))
        return True

    def add_metrics(self, step: int, metrics: Mapping[str, Any], *, meta: Mapping[str, Any] | None = None) -> None:
        """Give a step that counts metrics that were not known when it was saved.

        It counts at every moment of the change. One of version 1 of the format stays as it is.

        Args:
            step: Which.
            metrics: Name to number; others that it has stay.
            meta: What takes the place of its ``meta``; that stays if None.

        Raises:
            ArgumentError: A metric is no number, or ``meta`` no JSON.
            FileError: There is no such step, it cannot be written, or the last save failed.
            CorruptCheckpoint: It does not count.
        """
        self.wait()
        changes: dict[str, Any] = {} if meta is None else {"meta": json_of(meta)}
        path = self.directory / str(step_of(step, function="add_metrics"))
        from_first(partial(self._change_about, path, metrics_of(metrics), changes))

    def wait(self) -> float | None:
        """Wait until the last save counts.

        Returns:
            Seconds that it took in the background; None if nothing was saved since the last call.

        Raises:
            FileError: It failed.
        """
        try:
            return self._background.wait()
        except FileError:
            self._looked = False  # the step that failed may be saved again
            raise

    @property
    def saving(self) -> bool:
        """Whether a save is still going on in the background."""
        return self._background.busy

    @property
    def failed(self) -> bool:
        """Whether the last save failed, and nobody was told: the next ``save``, ``wait`` or ``close`` raises it."""
        return self._background.failed

    @property
    def last(self) -> int | None:
        """The newest step that counts, or is being saved; None if there is none."""
        if not self._looked:
            self._last = from_first(lambda: newest(self.directory).step)
            self._looked = True
        return self._last

    def all(self) -> tuple[Step, ...]:
        """Every step, lowest first: metrics, size, and whether it counts, for which all files are read."""
        return all_steps(self.directory)

    def about_latest(self) -> About:
        """What the newest step that counts says about itself: step, metrics and ``meta``.

        Raises:
            FileError: There is no checkpoint.
            CorruptCheckpoint: There are some and none counts.
        """
        return about_of(Path(from_first(lambda: str(locate(self.directory, function="restore")))))

    def restore_latest(self, target: Any = None) -> Restored:
        """Read the newest step that counts.

        Args:
            target: A pytree with the very names, shapes and dtypes expected; its arrays, or instances
                of ``jax.ShapeDtypeStruct``, say on which devices the result shall be. Modules and
                optimizers of NNX in it are filled. A number of Python and an array without axes stand
                for one another. Without a target all is read by name, as NumPy arrays.

        Raises:
            FileError: There is no checkpoint.
            CorruptCheckpoint: There are some and none counts.
            MismatchError: A name, shape or dtype differs from the target's; all are listed, and
                nothing is filled.
        """
        self.wait()
        return self._restore(lambda: find_latest(self.directory), target)

    def restore_best(self, target: Any = None) -> Restored:
        """Read the step that has the best metric among those that count.

        Args:
            target: As of :meth:`restore_latest`.

        Raises:
            ArgumentError: No metric was chosen.
            FileError: No step has the metric.
            CorruptCheckpoint: None that has it counts.
            MismatchError: As of :meth:`restore_latest`.
        """
        self.wait()
        return self._restore(lambda: find_best(self.directory, self._retention), target)

    def restore(self, step: int, target: Any = None) -> Restored:
        """Read one step.

        Args:
            step: Which.
            target: As of :meth:`restore_latest`.

        Raises:
            FileError: There is no such step.
            CorruptCheckpoint: It does not count.
            MismatchError: As of :meth:`restore_latest`.
        """
        self.wait()
        path = self.directory / str(step_of(step, function="restore"))
        return self._restore(lambda: found(locate(path, function="restore"), []), target)

    def close(self) -> None:
        """Wait for the last save and let others write; harmless when repeated.

        Raises:
            FileError: The last save failed.
        """
        try:
            self.wait()
        finally:
            self._release()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, LostProcess):  # a save would wait for it
            self._release()
        else:
            self.close()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _open(self, directory: Path) -> Path:
        made = _make_directory(directory)
        self._lock = Lock(made)
        try:
            remove_leftovers(made)
        except OSError as error:
            self._lock.release()
            raise FileError(
                "Checkpoints", made, f"holds leftovers that cannot be deleted ({error})", "delete them"
            ) from error
        return made

    def _change_about(self, path: Path, metrics: Mapping[str, float], changes: Mapping[str, Any]) -> None:
        about = about_of(locate(path, function="add_metrics"))
        if not (path / NAME).exists():
            return
        changed = replace(about, metrics={**about.metrics, **metrics}, **changes)
        try:
            manifest.replace_json(path, NAME, changed.to_json())
        except OSError as error:
            raise FileError(
                "add_metrics", path, f"could not be written ({error})", "free some space, and add them again"
            ) from error

    def _restore(self, find: Callable[[], dict[str, Any]], target: Any) -> Restored:
        which = from_first(find)
        skipped = tuple(Skipped(**entry) for entry in which["skipped"])
        return read_step(Path(which["path"]), target, skipped=skipped)

    def _check_step(self, step: int) -> None:
        last = self.last
        if last is not None and step <= last:
            raise ArgumentError(
                "save", "step", step, f"is not above {last}, the newest checkpoint here", f"pass {last + 1} or more"
            )

    def _write(self, about: About, arrays: dict[str, Any]) -> float:
        """Write a step; runs in the background.

        Raises:
            FileError: It cannot be written.
        """
        begin, path = time.monotonic(), self.directory / str(about.step)
        try:
            if is_first():
                _set_aside(path)
            write_arrays(path, arrays)
            done_by_first(partial(self._complete, path, about))
        except Exception as error:  # Orbax and its libraries raise what they like
            if is_first():
                _clear(path)
            raise FileError(
                "Checkpoints", self.directory, f"could not be written (step {about.step}: {error})",
                "free some space or pass another directory",
            ) from error  # fmt: skip
        return time.monotonic() - begin

    def _complete(self, path: Path, about: About) -> None:
        """Let a step whose arrays are written count."""
        write_about(path, about)
        manifest.write_manifest(path, step=about.step)
        manifest.sync_directory(self.directory)
        self._prune()

    def _prune(self) -> None:
        for step in self._retention.superfluous(all_steps(self.directory, hashes=False)):
            remove(self.directory, step.step)


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


def _clear(path: Path) -> None:
    """Free the space of a save that failed, as far as that goes."""
    with contextlib.suppress(OSError):
        remove_leftovers(path.parent)
    if not (path / manifest.NAME).exists():
        shutil.rmtree(path, ignore_errors=True)


def _set_aside(path: Path) -> None:
    """Rename what is in the way of a step: it does not count, and may be of use to somebody."""
    if not os.path.lexists(path):
        return
    names = (path.with_name(f"{path.name}.damaged-{n}") for n in itertools.count(1))
    with contextlib.suppress(OSError):  # then it is in the way of all processes, and all say so
        os.replace(path, next(name for name in names if not os.path.lexists(name)))
