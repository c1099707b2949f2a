"""One piece of work at a time beside the main thread, whose failure nobody can miss."""

import atexit
import concurrent.futures.thread  # noqa: F401  (before the registration below)
import logging
import os
import sys
import threading
from collections.abc import Callable

from ..errors import DilaxError


class Background:
    """Work in another thread; the process does not end before it is done.

    If the work fails and nobody asks, the process says so when it ends, and its exit status is 1.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._seconds: float | None = None
        self._error: DilaxError | None = None

    @property
    def busy(self) -> bool:
        """Whether it is working."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Whether an error waits for whoever asks."""
        return self._error is not None

    def start(self, work: Callable[[], float]) -> None:
        """Begin; nothing is being done and no error waits.

        Args:
            work: Gives the seconds that it took; raises no error but those of dilax.
        """
        _unasked.add(self)
        self._thread = threading.Thread(target=self._run, args=(work,), name="dilax-checkpoint")
        self._thread.start()

    def wait(self) -> float | None:
        """Wait for the end of the work.

        Returns:
            The seconds that it took; None if there was none since the last call.

        Raises:
            DilaxError: It failed.
        """
        self.join()
        _unasked.discard(self)
        seconds, self._seconds = self._seconds, None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return seconds

    def join(self) -> DilaxError | None:
        """Wait for the end of the work and give the error that nobody asked for yet."""
        if self._thread is not None:
            self._thread.join()
        return self._error

    def _run(self, work: Callable[[], float]) -> None:
        try:
            self._seconds = work()
        except DilaxError as error:
            self._error = error


# Those whose last work nobody asked for.
_unasked: set[Background] = set()


def _finish() -> None:
    for background in list(_unasked):
        background.join()


def _report() -> None:
    errors = [error for error in (background.join() for background in _unasked) if error is not None]
    if not errors:
        return
    for error in errors:
        print(f"{type(error).__module__}.{type(error).__name__}: {error}", file=sys.stderr)
    # Python forgets what a function raises at exit, so the status has to be set by hand.
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


# Python closes its thread pools, which Orbax needs, before it waits for threads. What is registered here later than
# they are comes before that.
threading._register_atexit(_finish)  # type: ignore[attr-defined]
atexit.register(_report)
