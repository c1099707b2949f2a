"""The pytest plugin, in runs of its own."""

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CACHE = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
PAGE = ROOT / "docs" / "testing.md"

pytest_plugins = ["pytester"]

TESTS = """
import pytest
import torch
from dilax import nn
from interop.testing import assert_parity

@pytest.mark.parametrize("alpha", [1.0, 1.1])
def test_elu(parity_input, alpha):
    for rows in (3, 4):
        assert_parity(torch.nn.ELU(), nn.ELU(alpha), parity_input((rows, 50)), gradients=False)
"""


def run(pytester, monkeypatch, *arguments):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester.runpytest_subprocess("-p", "interop.testing.plugin", "-p", "no:cacheprovider", *arguments)


@pytest.mark.slow
def test_a_report_of_each_assertion_is_written(pytester, monkeypatch):
    pytester.makepyfile(test_it=TESTS)
    result = run(pytester, monkeypatch, "--parity-report=reports/parity")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["parity reports: *reports/parity", "*MismatchError: verify: *"])
    found = [json.loads(path.read_text()) for path in sorted(Path("reports/parity").glob("test_elu-*.json"))]
    assert sorted((values["test"], values["assertion"], values["equal"]) for values in found) == [
        ("test_it.py::test_elu[1.0]", 1, True),
        ("test_it.py::test_elu[1.0]", 2, True),
        ("test_it.py::test_elu[1.1]", 1, False),
    ]
    pages = list(Path("reports/parity").glob("*.html"))
    assert len(pages) == 3
    assert all("ELU" in page.read_text() for page in pages)


@pytest.mark.slow
def test_the_example_of_the_page(pytester, monkeypatch):
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    pytester.makepyfile(test_example=example)
    monkeypatch.setenv("XDG_CACHE_HOME", CACHE)  # pytester's home is new, and the convolutions would be compiled anew
    run(pytester, monkeypatch).assert_outcomes(passed=1)


def test_a_run_without_it_imports_neither_framework(pytester, monkeypatch):
    pytester.makepyfile("""
        import sys

        def test_light():
            assert "interop.testing.plugin" in sys.modules
            assert not {"torch", "jax", "flax", "numpy"} & set(sys.modules)
    """)
    run(pytester, monkeypatch, "-p", "no:jaxtyping").assert_outcomes(passed=1)
    Path("taken").touch()
    result = run(pytester, monkeypatch, "--parity-report=taken")
    result.stderr.fnmatch_lines(["ERROR: --parity-report: '*taken' is a file; pass a directory."])
