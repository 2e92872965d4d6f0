"""The geometry of charts: what is drawn for which numbers, and the table behind it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orchestration.pages.charts import Series, draw_columns, draw_rows


def _say(number: object) -> str:
    return f"{number:g}"


def test_columns_stand_upon_each_other_and_reach_their_values() -> None:
    chart = draw_columns(
        ["Monday", "Tuesday"],
        [Series("pending", 1, [60, 40]), Series("in process", 2, [40, 0])],
        _say,
    )
    assert [(bar.y, bar.height, bar.color, bar.title) for bar in chart.bars] == [
        (83.6, 110.4, 1, "Monday · pending: 60"),
        (10.0, 73.6, 2, "Monday · in process: 40"),
        (120.4, 73.6, 1, "Tuesday · pending: 40"),
    ]
    assert [name.text for name in chart.names] == ["0", "25", "50", "75", "100"]
    assert [label.text for label in chart.labels] == ["Monday", "Tuesday"]
    assert (chart.heads, chart.cells) == (("Monday", "Tuesday"), (("60", "40"), ("40", "0")))


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0, ["0"]),
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (118, ["0", "50", "100", "150"]),
        (Decimal("0.4"), ["0", "0.1", "0.2", "0.3", "0.4"]),
        (5_536_300, ["0", "2e+06", "4e+06", "6e+06"]),
    ],
)
def test_the_scale_has_round_numbers_up_to_the_greatest(most: Decimal, ticks: list[str]) -> None:
    chart = draw_columns(["a"], [Series("n", 1, [most])], _say)
    assert [name.text for name in chart.names] == ticks
    assert all(bar.y >= 0 and bar.y + bar.height <= chart.height for bar in chart.bars)


def test_of_many_labels_some_are_written_and_all_are_in_the_table() -> None:
    heads = [str(day) for day in range(1, 31)]
    chart = draw_columns(heads, [Series("n", 1, range(30))], _say)
    assert [label.text for label in chart.labels] == ["1", "5", "9", "13", "17", "21", "25", "29"]
    assert chart.heads == tuple(heads)


def test_lying_bars_have_their_names_before_and_their_numbers_behind_them() -> None:
    chart = draw_rows(["new", "gone"], Series("debts", 1, [5, 10]), _say, colors=[1, 4])
    assert [(bar.width, bar.color, bar.title) for bar in chart.bars] == [
        (170.0, 1, "new: 5"),
        (340.0, 4, "gone: 10"),
    ]
    assert [name.text for name in chart.names] == ["new", "gone"]
    assert [label.text for label in chart.labels] == ["5", "10"]


def test_nothing_to_draw_is_a_chart_without_bars() -> None:
    for chart in (
        draw_columns([], [Series("n", 1, [])], _say),
        draw_rows([], Series("n", 1, []), _say),
    ):
        assert (chart.bars, chart.cells) == ((), ())
        assert chart.height > 0
