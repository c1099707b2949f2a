"""A run's log: one line of JSON an event."""

import json
import math
import re
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..data.bad_samples import BadSamples
from ..errors import FileError
from .config import TrainConfig
from .events import Event, StepDone

NAME = "log.jsonl"


class Log:
    """Appends events to a file, each at once; single steps are left out.

    Args:
        path: The file; a line that a kill cut short stays as it is, and the next begins below it.
        bad_samples: Whose skipped samples are written too, each once, when the next event comes.
    """

    def __init__(self, path: Path, bad_samples: BadSamples | None = None) -> None:
        self._bad_samples, self._skipped = bad_samples, 0
        torn = path.exists() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
        self._path = path
        # Without a buffer, whose rest would fail a second time when the file is closed.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        if torn:
            self._write("\n")

    def __call__(self, event: Event) -> None:
        """Write one event.

        Raises:
            FileError: It cannot be written.
        """
        self._note_skipped()
        if isinstance(event, StepDone):
            return
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        self._add(name, _plain(event))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _note_skipped(self) -> None:
        if self._bad_samples is None:
            return
        for name, reason in list(self._bad_samples.skipped.items())[self._skipped :]:
            self._skipped += 1
            about = {"name": name, "reason": reason, "count": self._skipped, "limit": self._bad_samples.limit}
            self._add("sample_skipped", about)

    def _add(self, event: str, about: dict[str, Any]) -> None:
        line = {"time": datetime.now(UTC).isoformat(), "event": event, **about}
        self._write(json.dumps(line, allow_nan=False) + "\n")

    def _write(self, text: str) -> None:
        content, reason = text.encode(), "No space left on device"
        try:
            if self._file.write(content) == len(content):
                return
        except OSError as error:
            reason = error.strerror or str(error)
        raise FileError("train", self._path, f"cannot be written ({reason})", "free some space, and resume the run")


def _plain(value: Any) -> Any:
    """The same in what JSON has; NaN and infinity become null."""
    if isinstance(value, TrainConfig):
        return _plain(value.to_dict())
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str | None) else str(value)
