"""One piece of work at a time beside the main thread, whose failure nobody can miss."""

import atexit
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

    def start(self, work: Callable[[], float]) -> None:
        """Begin; nothing is being done and no error waits.

        Args:
            work: Gives the seconds that it took; raises no error but those of dilax.
        """
        if self._thread is None:
            atexit.register(self._at_exit)
        self._thread = threading.Thread(target=self._run, args=(work,), name="dilax-checkpoint")
        self._thread.start()

    def wait(self) -> float | None:
        """Wait for the end of the work.

        Returns:
            The seconds that it took; None if there was none since the last call.

        Raises:
            DilaxError: It failed.
        """
        if self._thread is not None:
            self._thread.join()
        seconds, self._seconds = self._seconds, None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return seconds

    def close(self) -> None:
        """Nothing more will come, and every error was asked for; harmless when repeated."""
        atexit.unregister(self._at_exit)

    def _run(self, work: Callable[[], float]) -> None:
        try:
            self._seconds = work()
        except DilaxError as error:
            self._error = error

    def _at_exit(self) -> None:
        if self._error is None:
            return
        print(f"{type(self._error).__module__}.{type(self._error).__name__}: {self._error}", file=sys.stderr)
        # Python forgets what a function raises at exit, so the status has to be set by hand, after all others had
        # their turn.
        atexit.unregister(self._at_exit)
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
