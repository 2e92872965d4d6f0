"""Charts as plain geometry, which `templates/charts.html` draws as SVG beside a table (R35).

A chart is drawn on the server without a script. Colors are classes of the one CSS file, so charts
follow the dark mode and the printer, and the policy of the pages need not allow styles from
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

Number = int | float | Decimal
Write = Callable[[Number], str]

_WIDTH, _HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 8, 10, 26
_ROW_HEIGHT, _ROW_GAP, _NAME_WIDTH, _VALUE_WIDTH = 22, 8, 190, 110
_MOST_TICKS = 4
_MOST_LABELS = 8
_FILL = 0.75


@dataclass(frozen=True)
class Series:
    """Numbers of one kind, none of them negative, one for each label of the chart.

    Args:
        name: what they are, in the language of the page.
        color: the number of its color, from 1.
        values: the numbers.

    """

    name: str
    color: int
    values: Sequence[Number]


@dataclass(frozen=True)
class Bar:
    """A rectangle, with what it says to whoever points at it."""

    x: float
    y: float
    width: float
    height: float
    color: int
    title: str


@dataclass(frozen=True)
class Label:
    """A text beside an axis."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """What is drawn and, behind it, the table of the same.

    Args:
        width: of the drawing; it is shown as wide as there is room.
        height: of the drawing.
        bars: the rectangles.
        lines: the heights of the lines behind them.
        names: the texts that end at their place.
        labels: the texts in the middle above their place, or that begin there.
        series: what stands in the table, and in the legend if there are several.
        heads: the labels of all numbers, the rows of the table.
        cells: for each of them the numbers of all series, written.

    """

    width: float
    height: float
    bars: tuple[Bar, ...]
    lines: tuple[float, ...]
    names: tuple[Label, ...]
    labels: tuple[Label, ...]
    series: tuple[Series, ...]
    heads: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    is_lying: bool = False


def draw_columns(heads: Sequence[str], series: Sequence[Series], write: Write) -> Chart:
    """A column for each label, its series one upon the other.

    Args:
        heads: the labels, in order.
        series: the lowest first.
        write: writes a number.

    """
    totals = [sum(float(each.values[place]) for each in series) for place in range(len(heads))]
    is_whole = all(isinstance(value, int) for each in series for value in each.values)
    ticks = _ticks(max(totals, default=0), least=1 if is_whole else 0)
    top = ticks[-1] or 1.0
    plot = _HEIGHT - _TOP - _BOTTOM
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(heads), 1)

    def height_of(value: float) -> float:
        return round(value / top * plot, 2)

    bars = []
    for place, head in enumerate(heads):
        floor = float(_TOP + plot)
        for each in series:
            value = each.values[place]
            height = height_of(float(value))
            floor -= height
            if height:
                x = round(_LEFT + place * step + step * (1 - _FILL) / 2, 2)
                title = f"{head} · {each.name}: {write(value)}"
                bars.append(
                    Bar(x, round(floor, 2), round(step * _FILL, 2), height, each.color, title)
                )
    lines = tuple(round(_TOP + plot - height_of(tick), 2) for tick in ticks)
    every = -(-len(heads) // _MOST_LABELS) or 1
    return Chart(
        width=_WIDTH,
        height=_HEIGHT,
        bars=tuple(bars),
        lines=lines,
        names=tuple(
            Label(_LEFT - 6, line + 4, write(tick)) for line, tick in zip(lines, ticks, strict=True)
        ),
        labels=tuple(
            Label(round(_LEFT + (place + 0.5) * step, 2), _HEIGHT - 8, head)
            for place, head in enumerate(heads)
            if place % every == 0
        ),
        series=tuple(series),
        heads=tuple(heads),
        cells=_cells(heads, series, write),
    )


def draw_rows(
    heads: Sequence[str], series: Series, write: Write, colors: Sequence[int] | None = None
) -> Chart:
    """A lying bar for each label, with its number beside it.

    Args:
        heads: the labels, the uppermost first.
        series: the numbers.
        write: writes a number.
        colors: of each bar; that of the series if left out.

    """
    most = max((float(value) for value in series.values), default=0) or 1
    plot = _WIDTH - _NAME_WIDTH - _VALUE_WIDTH
    bars, names, labels = [], [], []
    for place, (head, value) in enumerate(zip(heads, series.values, strict=True)):
        y = place * (_ROW_HEIGHT + _ROW_GAP)
        width = round(float(value) / most * plot, 2)
        color = colors[place] if colors else series.color
        bars.append(Bar(_NAME_WIDTH, y, width, _ROW_HEIGHT, color, f"{head}: {write(value)}"))
        names.append(Label(_NAME_WIDTH - 8, y + 15, head))
        labels.append(Label(_NAME_WIDTH + width + 8, y + 15, write(value)))
    return Chart(
        width=_WIDTH,
        height=max(len(heads) * (_ROW_HEIGHT + _ROW_GAP) - _ROW_GAP, 1),
        bars=tuple(bars),
        lines=(),
        names=tuple(names),
        labels=tuple(labels),
        series=(series,),
        heads=tuple(heads),
        cells=_cells(heads, [series], write),
        is_lying=True,
    )


def _cells(
    heads: Sequence[str], series: Sequence[Series], write: Write
) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(write(each.values[place]) for each in series) for place in range(len(heads)))


def _ticks(most: float, least: float) -> list[float]:
    """Round numbers from 0 to one that is not below the greatest value, `least` apart or more."""
    if most <= 0:
        return [0.0]
    size = 1.0
    while size * 10 <= most:
        size *= 10
    while size > most:
        size /= 10
    steps = (size * factor for factor in (0.25, 0.5, 1, 2, 2.5, 5))
    step = next(each for each in steps if each >= least and most / each <= _MOST_TICKS)
    count = -int(-most // step)
    return [round(step * place, 6) for place in range(count + 1)]
