"""Reports of the parity assertions of a test, written where ``--parity-report`` says."""

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..verification import VerifyReport


@dataclass
class _Test:
    """The test that is running, and how many of its assertions were written."""

    name: str
    directory: Path
    count: int = 0


_running: list[_Test] = []


@contextmanager
def recording(test: str, directory: Path) -> Iterator[None]:
    """Within, the reports of parity assertions are written to ``directory`` under the name of the test."""
    _running.append(_Test(test, directory))
    try:
        yield
    finally:
        _running.pop()


def record(report: "VerifyReport") -> None:
    """Write a report as JSON and HTML, if there is a directory for it."""
    if not _running:
        return
    test = _running[-1]
    test.count += 1
    test.directory.mkdir(parents=True, exist_ok=True)
    path = test.directory / f"{_file_name(test.name)}-{test.count}"
    values = {"test": test.name, "assertion": test.count, **report.to_dict()}
    path.with_suffix(".json").write_text(json.dumps(values, indent=1) + "\n")
    report.to_html(path.with_suffix(".html"))


def _file_name(test: str) -> str:
    """A file's name for a test's: its readable part, and a checksum, since readable parts may be equal."""
    readable = re.sub(r"[^\w-]+", "-", test.rpartition("::")[2]).strip("-")[:100]
    return f"{readable}-{zlib.crc32(test.encode()):08x}"
