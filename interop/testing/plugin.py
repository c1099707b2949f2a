"""The pytest plugin: the fixture ``parity_input`` and the option ``--parity-report``.

pytest imports it in every run where dilax-nn is installed, so neither PyTorch nor JAX is imported here.
"""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .recording import recording

if TYPE_CHECKING:
    from .drawing import ParityInput


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("parity", "comparisons of PyTorch and JAX").addoption(
        "--parity-report",
        metavar="DIR",
        help="write what each interop.testing.assert_parity compared to this directory, as JSON and HTML",
    )


def pytest_configure(config: pytest.Config) -> None:
    directory = _directory(config)
    if directory is not None and directory.exists() and not directory.is_dir():
        raise pytest.UsageError(f"--parity-report: {str(directory)!r} is a file; pass a directory.")


def pytest_report_header(config: pytest.Config) -> str | None:
    directory = _directory(config)
    return None if directory is None else f"parity reports: {directory}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    directory = _directory(item.config)
    if directory is None:
        return (yield)
    with recording(item.nodeid, directory):
        return (yield)


@pytest.fixture
def parity_input() -> "ParityInput":
    """Draws inputs for ``assert_parity``: ``parity_input((2, 9, 11, 3))``; the same ones in every run of a test."""
    from .drawing import ParityInput

    return ParityInput()


def _directory(config: pytest.Config) -> Path | None:
    value = config.getoption("parity_report")
    return None if value is None else Path(config.invocation_params.dir, value)
