"""A report in a terminal: what differs first and what is around it, equal rows folded where there are many."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from .measures import FLOAT32_LIMIT, FLOAT64_LIMIT
from .report import LayerComparison, VerifyReport, ratio_text, shape_text

# More rows than these are folded, down to the neighbours of what differs and the ends.
_MANY = 40
_NEIGHBOURS = 3
_SHOWN_DIFFERENCES = 12

_HEADINGS = {"statistic": "batch statistics", "gradient": "gradients", "parameter": "parameters over the steps"}


def table(report: VerifyReport, *, all: bool) -> Table:
    """The table of a report; ``all`` shows every row."""
    found = Table(title=f"PyTorch and Flax, layer by layer: {report.summary}", title_justify="left")
    found.add_column("layer", overflow="fold", min_width=16)
    found.add_column("type", overflow="fold")
    found.add_column("shape", no_wrap=True)
    for heading in ("float64 error", "R"):
        found.add_column(heading, justify="right", no_wrap=True)
    found.add_column("")
    rows = report.rows
    shown = set(range(len(rows))) if all or len(rows) <= _MANY else _kept(rows)
    hidden: list[LayerComparison] = []
    before = "output"
    for index, row in enumerate(rows):
        if row.what != before:
            _fold(found, hidden)
            found.add_section()
            found.add_row(Text(_HEADINGS[row.what], "bold"))
            before = row.what
        if index in shown:
            _fold(found, hidden)
            found.add_row(*_cells(row, row is report.first_difference))
        else:
            hidden.append(row)
    _fold(found, hidden)
    found.caption, found.caption_justify = _caption(report), "left"
    return found


def _kept(rows: Sequence[LayerComparison]) -> set[int]:
    """Which of many rows are shown: both ends, the first differences, and what is around the very first."""
    different = [index for index, row in enumerate(rows) if not row.equal]
    ends = {*range(_NEIGHBOURS), *(index for index, row in enumerate(rows) if row.what == "output" and row.name == "")}
    around = range(different[0] - _NEIGHBOURS, different[0] + _NEIGHBOURS + 1) if different else ()
    return ends | set(around) | set(different[:_SHOWN_DIFFERENCES])


def _cells(row: LayerComparison, first: bool) -> list[Any]:
    verdict = Text("equal", "green") if row.rounds_well else Text("equal, rounds worse", "yellow")
    if not row.equal:
        verdict = Text("differs first" if first else "differs", "bold red" if first else "red")
    ratio = "" if row.float32 is None else ratio_text(row.float32)
    if row.float32 is not None and row.float64 <= FLOAT64_LIMIT and row.float32 > FLOAT32_LIMIT:
        ratio += f" {'≤' if row.rounds_well else '>'} {row.limit:.1f}"  # a small array, whose limit is another
    return [Text(row.label), row.kind, shape_text(row), f"{row.float64:.1e}", ratio, verdict]


def _fold(found: Table, hidden: list[LayerComparison]) -> None:
    """One row for those that are not shown, with the worst of their figures."""
    if not hidden:
        return
    equal = all(row.equal for row in hidden)
    ratios = [row.float32 for row in hidden if row.float32 is not None]
    found.add_row(
        Text(f"… {len(hidden)} more", "dim"), "", "",
        Text(f"≤ {max(row.float64 for row in hidden):.1e}", "dim"),
        Text(f"≤ {ratio_text(max(ratios))}" if ratios else "", "dim"),
        Text("equal", "green") if equal else Text("differ", "red"),
    )  # fmt: skip
    hidden.clear()


def _caption(report: VerifyReport) -> Text:
    lines = [
        f"equal: float64 error ≤ {FLOAT64_LIMIT:g} and, of outputs, R ≤ {FLOAT32_LIMIT:g} "
        f"(over {report.draws} draws of the inputs)"
    ]
    if any(row.limit > FLOAT32_LIMIT and row.float32 is not None for row in report.rows):
        lines[0] += ", more for arrays of fewer than 47 numbers in all draws"
    if report.not_compared:
        listed = ", ".join(report.not_compared[:8])
        more = len(report.not_compared) - 8
        lines.append(f"not compared: {listed}" + (f" and {more} more" if more > 0 else ""))
    text = Text("\n".join(lines))
    if report.diagnosis is not None:
        text.append(f"\n{report.diagnosis.text}", "bold not dim")
        if report.diagnosis.explanation:
            text.append(f"\n{report.diagnosis.explanation}", "bold yellow not dim")
    return text
