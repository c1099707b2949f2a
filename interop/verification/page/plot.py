"""Both figures of every comparison over the order of execution, as SVG."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape

from ..measures import FLOAT32_LIMIT, FLOAT64_LIMIT
from ..report import LayerComparison, VerifyReport, figures

_WIDTH, _LEFT, _RIGHT, _GAP = 1000, 64, 14, 40
# Longest names written under the axis, and how many.
_LABELS, _LETTERS = 14, 18


@dataclass(frozen=True)
class _Panel:
    """One of the two plots: what it shows, where it is, and the decades of its axis."""

    title: str
    top: float
    height: float
    low: int
    high: int
    limit: float

    def y(self, value: float) -> float:
        """Where a value lies; those beyond the axis lie at its end."""
        decade = min(max(math.log10(value) if value > 0 else self.low, self.low), self.high)
        return self.top + self.height * (self.high - decade) / (self.high - self.low)


def plot(report: VerifyReport) -> str:
    """The picture."""
    rows = report.rows
    ratios = [row.float32 for row in rows if row.float32 is not None and row.float32 > 0]
    errors = [row.float64 for row in rows if math.isfinite(row.float64) and row.float64 > 0]
    wide = _Panel("float64 relative error", 26, 190, -18, max(-10, _decade(errors)), FLOAT64_LIMIT)
    narrow = _Panel("R, in float32", 26 + 190 + _GAP, 120, -1, max(1, _decade(ratios)), FLOAT32_LIMIT)
    bottom = narrow.top + narrow.height
    first = next((index for index, row in enumerate(rows) if not row.equal), None)
    x = _place(len(rows))
    marks = [*_frame(wide), *_frame(narrow), *_groups(rows, x, wide.top, bottom), *_names(rows, x, bottom)]
    if first is not None:
        marks.append(f'<line class="first" x1="{x(first):.1f}" x2="{x(first):.1f}" y1="{wide.top}" y2="{bottom}"/>')
    marks += [*_points(rows, x, wide, lambda row: row.float64), *_points(rows, x, narrow, lambda row: row.float32)]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {bottom + 92:.0f}" role="img" '
        f'aria-label="errors of {len(rows)} comparisons on a logarithmic scale">{"".join(marks)}</svg>'
    )


def _decade(values: list[float]) -> int:
    return math.ceil(math.log10(max(values))) if values and math.isfinite(max(values)) else 1


def _place(count: int) -> Callable[[float], float]:
    step = (_WIDTH - _LEFT - _RIGHT) / max(count, 1)
    return lambda index: _LEFT + step * (index + 0.5)


def _frame(panel: _Panel) -> Iterator[str]:
    """Title, decades and limit."""
    yield f'<text class="title" x="{_LEFT}" y="{panel.top - 9:.0f}">{panel.title}</text>'
    step = max(1, math.ceil((panel.high - panel.low) / 7))
    for decade in range(panel.low, panel.high + 1, step):
        y = panel.y(10.0**decade)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        name = f"{10.0**decade:g}" if -2 <= decade <= 3 else f'10<tspan dy="-5" font-size="9">{decade}</tspan>'
        yield f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}">{name}</text>'
    y = panel.y(panel.limit)
    yield f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    yield f'<text class="limit" x="{_WIDTH - _RIGHT}" y="{y - 5:.1f}">limit {panel.limit:g}</text>'


def _groups(rows: tuple[LayerComparison, ...], x: Callable[[float], float], top: float, bottom: float) -> Iterator[str]:
    """A line where outputs end and something else begins."""
    for index in range(1, len(rows)):
        if rows[index].what != rows[index - 1].what:
            at = x(index - 0.5)
            yield f'<line class="group" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>'
            yield f'<text class="group" x="{at + 4:.1f}" y="{top - 9:.1f}">{rows[index].what}s</text>'


def _names(rows: tuple[LayerComparison, ...], x: Callable[[float], float], bottom: float) -> Iterator[str]:
    """Some of the names under the axis, slanted."""
    for index in range(0, len(rows), math.ceil(len(rows) / _LABELS) if rows else 1):
        name = rows[index].label
        short = name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"
        place = f"translate({x(index) + 3:.1f},{bottom + 14:.1f}) rotate(-35)"
        yield f'<text class="name" transform="{place}">{escape(short)}</text>'


def _points(
    rows: tuple[LayerComparison, ...],
    x: Callable[[float], float],
    panel: _Panel,
    figure: Callable[[LayerComparison], float | None],
) -> Iterator[str]:
    radius = 4 if len(rows) <= 120 else 2.5
    for index, row in enumerate(rows):
        value = figure(row)
        if value is None:
            continue
        kind = ("equal" if row.equal else "differs") + (" zero" if value == 0 else "")
        yield (
            f'<a href="#row-{index}"><circle class="{kind}" cx="{x(index):.1f}" cy="{panel.y(value):.1f}" r="{radius}">'
            f"<title>{escape(f'{row.title} ({row.kind}): {figures(row)}')}</title></circle></a>"
        )
