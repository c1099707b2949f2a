"""Where output goes, and how long work shows that it goes on."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

# Width where there is no terminal to ask.
_WIDTH = 110
# Names of files and of keys are printed as they are, whatever brackets and colons are in them.
_PLAIN: Any = {"highlight": False, "markup": False, "emoji": False, "soft_wrap": True}


def console() -> Console:
    """Standard output."""
    return Console(**_PLAIN, width=None if sys.stdout.isatty() else _WIDTH)


def error_console() -> Console:
    """Standard error."""
    return Console(**_PLAIN, stderr=True, width=None if sys.stderr.isatty() else _WIDTH)


class Rate(ProgressColumn):
    """How fast a task is."""

    def render(self, task: Task) -> Text:
        """The rate, as e.g. 3.2/s."""
        return Text(_rate(task.speed), "dim")


def _rate(speed: float | None) -> str:
    return f"{speed:.1f}/s" if speed and speed >= 1 else f"{1 / speed:.1f} s each" if speed else ""


@contextmanager
def working(description: str, *, out: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show how far some work is: a bar on a terminal, a line now and then elsewhere.

    Args:
        description: What is done.
        out: Where to show it; standard output if None.

    Yields:
        A function to call with how much is done and how much there is.
    """
    out = console() if out is None else out
    if not out.is_terminal:
        yield PlainLog(out, description)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class PlainLog:
    """Says now and then how far some work is.

    Args:
        out: Where.
        description: What is done.
        pause: Seconds from one line to the next, at least.
    """

    def __init__(self, out: Console, description: str, *, pause: float = 10.0) -> None:
        self._out, self._description, self._pause = out, description, pause
        self._begin = self._last = time.monotonic()
        self._before: int | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._before is None:  # a resumed run does not begin at zero
            self._before, self._begin = done, now
        if now - self._last < self._pause:
            return
        self._last = now
        speed = (done - self._before) / (now - self._begin) if now > self._begin else 0.0
        pace = f", {_rate(speed)}, {(total - done) / speed:.0f} s left" if speed else ""
        self._out.print(f"{self._description}: {done} of {total} ({100 * done // total} %){pace}")
