"""The pytest plugin, in runs of its own."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "testing.md"

pytest_plugins = ["pytester"]

DIFFERENT = """

def test_different(parity_input):
    module = randomise(torch.nn.LayerNorm(50))
    model = nn.LayerNorm(50, eps=1e-3)
    interop.load(model, module.state_dict())
    assert_parity(module, model, parity_input((3, 50)), gradients=False)
"""


def run(pytester, monkeypatch, *arguments):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DILAX_COMPILE", "0")  # pytester's home is new, so all that is compiled would be compiled again
    return pytester.runpytest_subprocess("-p", "interop.testing.plugin", "-p", "no:cacheprovider", *arguments)


def test_the_example_of_the_page_and_its_reports(pytester, monkeypatch):
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    pytester.makepyfile(test_example=example + DIFFERENT)
    result = run(pytester, monkeypatch, "--parity-report=reports/parity")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["parity reports: *reports/parity", "*MismatchError: verify: *"])
    reports = {path.name: json.loads(path.read_text()) for path in Path("reports/parity").glob("*.json")}
    assert sorted(re.sub("-[0-9a-f]{8}-", "-", name) for name in reports) == [
        "test_block-1.json", "test_block-2.json", "test_different-1.json",
    ]  # fmt: skip
    for name, values in reports.items():
        assert values["test"] == f"test_example.py::{name[:-16]}"
        assert values["equal"] == ("different" not in name)
        assert "Norm" in Path("reports/parity", name).with_suffix(".html").read_text()


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
