"""What the generic data tests in `tests/generic` find."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import jinja2
import pytest

from orchestration.installation.home import PROJECT

Row = tuple[str | None, str | None]


def _find(test: str, rows: Sequence[Row], **arguments: object) -> list[tuple[object, ...]]:
    """Run a test on a table of two columns, as dbt would; return the rows that it finds."""
    source = (PROJECT / "tests" / "generic" / f"{test}.sql").read_text(encoding="utf-8")
    macro = source.replace("{% test ", "{% macro ").replace("{% endtest ", "{% endmacro ")
    call = f"{{{{ {test}(model='found', **arguments) }}}}"
    sql = jinja2.Environment(autoescape=False).from_string(macro + call).render(arguments=arguments)
    with duckdb.connect() as connection:
        connection.execute("create table found (a varchar, b varchar)")
        connection.executemany("insert into found values (?, ?)", rows)
        return sorted(connection.execute(sql).fetchall(), key=str)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("x", "1"), ("y", "1")], []),
        ([("x", "1"), ("x", "2"), ("y", "1")], [("x", 2)]),
        ([("x", "1"), (None, "1")], [(None, 1)]),
    ],
)
def test_a_key_is_there_and_of_one_row(rows: list[Row], found: list[tuple[object, ...]]) -> None:
    assert _find("primary_key", rows, column_name="a") == found


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("x", "1"), ("x", "2"), ("y", "1")], []),
        ([("x", "1"), ("x", "1"), ("y", "1")], [("x", "1", 2)]),
        ([("x", None), ("x", "1")], [("x", None, 1)]),
        ([(None, "1"), ("x", "1")], [(None, "1", 1)]),
    ],
)
def test_a_key_of_columns_is_there_and_of_one_row(
    rows: list[Row], found: list[tuple[object, ...]]
) -> None:
    assert _find("primary_key", rows, columns=["a", "b"]) == found


def test_columns_that_may_be_missing_are_of_one_row_together() -> None:
    rows: list[Row] = [("x", None), ("y", None), ("x", "1"), ("x", "1")]
    assert _find("unique_combination_of_columns", rows, columns=["a", "b"]) == [("x", "1", 2)]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("x", "1"), ("y", "1")], []),
        ([("x", "1"), ("z", "1"), ("z", "2")], [("z", 2)]),
        ([("x", "1"), (None, "1"), (None, "2")], [(None, 2)]),
    ],
)
def test_a_value_is_there_and_one_of_those_accepted(
    rows: list[Row], found: list[tuple[object, ...]]
) -> None:
    found_rows = _find("not_null_accepted_values", rows, column_name="a", values=["x", "y"])
    assert found_rows == found
