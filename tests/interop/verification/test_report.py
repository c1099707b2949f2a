"""A report as a table, as JSON and as a page."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from dilax.errors import FileError, MismatchError
from interop.verification import Diagnosis, LayerComparison, VerifyReport


def row(name, error=1e-15, ratio=1.0, *, what="output", shape=(2, 3), flax_shape=None, kind="Conv2d"):
    return LayerComparison(
        name, kind, shape, error, ratio, what, flax_shape=shape if flax_shape is None else flax_shape
    )


def report(*, different=True, count=100):
    rows = [row(f"layer{index}.conv") for index in range(count)]
    if different:
        rows[50:] = [row(f"layer{index}.conv", 1e-3, 1e4) for index in range(50, count)]
        rows[53:54] = [row("layer53.conv")] if count > 53 else []
    gradients = (row("a.weight", what="gradient"), row("<b>", float("inf"), None, what="gradient", flax_shape=(3, 2)))
    found = Diagnosis("layer50.conv", 1e-3, True, "layer50.conv is wrong itself.", "epsilon", "epsilon: Flax <is> off.")
    return VerifyReport(
        (*rows, row("", 1e-3 if different else 1e-15)), ("spare (does not run)",),
        gradients=gradients if different else gradients[:1], diagnosis=found if different else None, draws=4,
        model=("Net", "FlaxNet"), versions={"torch": "2.0", "jax": "0.9"},
    )  # fmt: skip


def text(table):
    console = Console(width=110, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


def test_a_long_table_shows_the_first_difference_and_its_neighbours():
    shown = text(report())
    assert re.search(r"layer49\.conv .* equal", shown)
    assert re.search(r"layer50\.conv .* differs first", shown)
    assert "… 44 more" in shown
    assert "layer46.conv" not in shown
    assert "layer50.conv is wrong itself." in shown
    assert "epsilon: Flax <is> off." in shown
    assert "not compared: spare (does not run)" in shown
    every = text(report().table(all=True))
    assert "layer46.conv" in every
    assert "2×3 (Flax 3×2)" in every


def test_a_short_table_shows_everything():
    shown = text(report(different=False, count=5))
    assert all(f"layer{index}.conv" in shown for index in range(5))
    assert "more" not in shown


def test_json_has_no_infinity():
    values = json.loads(json.dumps(report().to_dict(), allow_nan=False))
    assert (values["equal"], values["proven"]) == (False, False)
    assert values["first_difference"] == "layer50.conv"
    assert values["diagnosis"]["cause"] == "epsilon"
    assert values["gradients"][1]["float64"] is None
    found = replace(report().diagnosis, own_error=float("inf"))
    assert replace(report(), diagnosis=found).to_dict()["diagnosis"]["own_error"] is None
    assert values["layers"][0] == {
        "name": "layer0.conv", "kind": "Conv2d", "shape": [2, 3], "float64": 1e-15, "float32": 1.0, "what": "output",
        "limit": 2.0, "flax_shape": [2, 3], "equal": True,
    }  # fmt: skip


def test_the_message_lists_differences_in_order_with_the_cause():
    with pytest.raises(MismatchError) as caught:
        report(count=51).raise_if_different()
    assert str(caught.value) == (
        "verify: 3 of 54 comparisons differ; look at the first: those after it follow from it.\n"
        "  layer50.conv (Conv2d): float64 1.0e-03, R 1.0e+04\n"
        "    layer50.conv is wrong itself.\n"
        "    epsilon: Flax <is> off.\n"
        "  output (Conv2d): float64 1.0e-03, R 1.00\n"
        "  gradient of <b> (Conv2d): the shape is (3, 2) in Flax and (2, 3) in PyTorch"
    )
    report(different=False).raise_if_different()


class Page(HTMLParser):
    """Collects what a page refers to, and checks that its elements close."""

    def __init__(self):
        super().__init__()
        self.open, self.references, self.counts = [], [], {}

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.references += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(tmp_path):
    path = tmp_path / "report.html"
    report().to_html(path)
    written = path.read_text(encoding="utf-8")
    page = Page()
    page.feed(written)
    assert page.open == []
    assert all(reference.startswith("#row-") for reference in page.references)
    assert not re.search(r"https?://|@import|url\(", written)
    assert page.counts["tr"] == 1 + len(report().rows)
    assert page.counts["circle"] == 2 * len(report().rows) - 1  # one has no R
    assert "epsilon: Flax &lt;is&gt; off." in written
    assert "<b>" not in written
    assert "torch 2.0 · jax 0.9" in written
    assert "prefers-color-scheme: dark" in written


def test_a_difference_in_float32_alone_comes_after_one_in_float64():
    rows = (row("a", 1e-15, 3.0), row("b"), row("", 1e-15, 2.5))
    rounded = VerifyReport(rows, ())
    assert (rounded.proven, rounded.equal, rounded.first_difference.name) == (True, False, "a")
    wrong = VerifyReport((rows[0], row("b", 1e-3, 9.0)), ())
    assert (wrong.proven, wrong.first_difference.name) == (False, "b")


def test_a_page_without_a_difference(tmp_path):
    report(different=False).to_html(tmp_path / "report.html")
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<span class="badge equal">equal</span>' in written
    assert "First difference</h2>" not in written


def test_a_page_that_cannot_be_written(tmp_path):
    with pytest.raises(FileError) as caught:
        report().to_html(tmp_path / "absent" / "report.html")
    assert str(caught.value) == (
        f"to_html: '{tmp_path}/absent/report.html' cannot be written (No such file or directory); pass another path."
    )


def test_a_model_without_any_comparison_has_a_page(tmp_path):
    replace(report(different=False, count=0), layers=(), gradients=()).to_html(tmp_path / "report.html")


def test_a_gradient_that_is_worse_rounded_is_no_difference():
    rounded = VerifyReport((row("a"), row("")), (), gradients=(row("a.bias", 1e-15, 3.0, what="gradient"),))
    assert (rounded.equal, rounded.gradients[0].rounds_well) == (True, False)
    assert "equal, rounds worse" in text(rounded.table())
