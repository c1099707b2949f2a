"""A report as one HTML page that needs nothing else."""

import os
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path

from dilax.errors import FileError

from ..measures import FLOAT32_LIMIT, FLOAT64_LIMIT
from ..report import LayerComparison, VerifyReport, ratio_text, shape_text
from .plot import plot

_WHATS = {"output": "output", "statistic": "statistic", "gradient": "gradient", "parameter": "training steps"}


def write_page(report: VerifyReport, path: str | os.PathLike[str]) -> None:
    """Write the page.

    Raises:
        FileError: It cannot be written.
    """
    try:
        Path(path).write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise FileError("to_html", path, f"cannot be written ({error.strerror})", "pass another path") from error


def page(report: VerifyReport) -> str:
    """The page's text."""
    style, script = (
        files(__package__).joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "script.js")
    )
    title = f"{report.model[0]} in PyTorch and {report.model[1]} in Flax"
    verdict = "equal" if report.equal else "different"
    words = "different in float32 alone" if report.proven and not report.equal else verdict
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{verdict}: {escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<div><p class="over">dilax verify</p><h1>{escape(title)}</h1></div>
<span class="badge {verdict}">{words}</span>
</header>
<p class="lead">{escape(_lead(report))}</p>
<section class="cards">{"".join(_cards(report))}</section>
{_finding(report)}
<section class="panel"><h2>Errors in the order of execution</h2>{plot(report)}</section>
{_table(report)}
{_not_compared(report)}
<footer>{" · ".join(f"{escape(name)} {escape(text)}" for name, text in report.versions.items())}</footer>
</main>
<script>
{script}</script>
</body>
</html>
"""


def _lead(report: VerifyReport) -> str:
    mode = "training" if report.training else "evaluation"
    return (
        f"{report.summary[:1].upper()}{report.summary[1:]} compared in {mode} mode. In float64 both sides may differ "
        f"by {FLOAT64_LIMIT:g} of the largest value, which proves the computation; R says how much further JAX's "
        f"float32 result is from the float64 result than PyTorch's, over {report.draws} draws of the inputs."
    )


def _cards(report: VerifyReport) -> Iterator[str]:
    ratios = [row.float32 for row in report.rows if row.float32 is not None]
    agree = sum(row.equal for row in report.rows)
    first = report.first_difference
    yield _card("equal", f"{agree} of {len(report.rows)}", "comparisons within both limits")
    yield _card("float64", f"{report.worst:.1e}", f"largest relative error, limit {FLOAT64_LIMIT:g}")
    worst = ratio_text(max(ratios)) if ratios else "none"
    yield _card("float32", worst, f"largest R, limit {FLOAT32_LIMIT:g} from 47 numbers on")
    yield _card("first difference", "none" if first is None else first.title, "" if first is None else first.kind)


def _card(name: str, value: str, note: str) -> str:
    return (
        f'<div class="card"><p class="over">{name}</p><p class="value">{escape(value)}</p><p>{escape(note)}</p></div>'
    )


def _finding(report: VerifyReport) -> str:
    found = report.diagnosis
    if found is None:
        return ""
    cause = f'<p class="cause">{escape(found.explanation)}</p>' if found.explanation else ""
    return f'<section class="finding"><h2>First difference</h2><p>{escape(found.text)}</p>{cause}</section>'


def _table(report: VerifyReport) -> str:
    headings = ("#", "layer", "what", "type", "shape", "float64 error", "R", "limit of R", "verdict")
    numeric = {"#", "float64 error", "R", "limit of R"}
    head = "".join(
        f'<th{" class=number" if name in numeric else ""} aria-sort="none"><button type="button">{name}</button></th>'
        for name in headings
    )
    body = "\n".join(_row(index, row, row is report.first_difference) for index, row in enumerate(report.rows))
    return f"""<section class="panel"><div class="tools"><h2>All comparisons</h2>
<input id="filter" type="search" placeholder="filter by layer, type or shape" aria-label="filter the rows">
<label><input id="only" type="checkbox"> differences alone</label><span id="count"></span></div>
<div class="scroll"><table id="rows"><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table></div></section>"""


def _row(index: int, row: LayerComparison, first: bool) -> str:
    equal = "equal" if row.rounds_well else "equal, rounds worse"
    verdict = equal if row.equal else "differs first" if first else "differs"
    ratio = "" if row.float32 is None else ratio_text(row.float32)
    limit = "" if row.float32 is None else f"{row.limit:.2f}"
    cells = (
        (str(index + 1), index, True),
        (row.label, row.label, False),
        (_WHATS[row.what], row.what, False),
        (row.kind, row.kind, False),
        (shape_text(row), shape_text(row), False),
        (f"{row.float64:.1e}", row.float64, True),
        (ratio, "" if row.float32 is None else row.float32, True),
        (limit, "" if row.float32 is None else row.limit, True),
        (verdict, verdict, False),
    )
    inside = "".join(
        f'<td{" class=number" if number else ""} data-value="{escape(str(value))}">{escape(text)}</td>'
        for text, value, number in cells
    )
    kind = "equal" if row.equal else "differs first" if first else "differs"
    return f'<tr id="row-{index}" class="{kind}">{inside}</tr>'


def _not_compared(report: VerifyReport) -> str:
    if not report.not_compared:
        return ""
    items = "".join(f"<li>{escape(name)}</li>" for name in report.not_compared)
    return (
        f'<details class="panel"><summary>{len(report.not_compared)} not compared</summary><ul>{items}</ul></details>'
    )
