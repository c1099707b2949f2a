"""Signals that ask a run to stop, kept until the run can stop well."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupts:
    """Notes SIGTERM and SIGINT while it is entered; a second one ends the process at once.

    A thread is told of them, because Python's own handlers wait until the main thread is back from compiled code, and a
    compilation may take minutes. Only the main thread can do this; in another it notes nothing.

    Attributes:
        received: The signal, or None.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._read = self._write = self._wakeup = -1
        self._thread = threading.Thread(target=self._watch, name="dilax-interrupts", daemon=True)

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._read, self._write = os.pipe()
            os.set_blocking(self._write, False)
            self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            self._before = {which: signal.signal(which, self._note) for which in _SIGNALS}
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._before:
            return
        for which, handler in self._before.items():
            signal.signal(which, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._write)
        self._thread.join()
        os.close(self._read)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number)

    def _watch(self) -> None:
        """Read the numbers of signals, which are written for those that have a handler."""
        seen = 0
        while number := os.read(self._read, 1):
            if number[0] not in _SIGNALS:
                continue
            seen += 1
            if seen > 1:
                os._exit(128 + number[0])
            self._note(number[0], None)
