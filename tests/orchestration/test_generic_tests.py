"""What the generic data tests in `tests/generic` find."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import jinja2
import pytest

from orchestration.installation.home import PROJECT

Row = tuple[str | None, str | None]


def _find(
    test: str,
    rows: Sequence[Row],
    *,
    every_row: bool = False,
    full_refresh: bool = False,
    **arguments: object,
) -> list[tuple[object, ...]]:
    """Run a test on a table of two columns, as dbt would; return the rows that it finds.

    The newest load has changed the rows of `x`.
    """
    source = (PROJECT / "tests" / "generic" / f"{test}.sql").read_text(encoding="utf-8")
    macro = source.replace("{% test ", "{% macro ").replace("{% endtest ", "{% endmacro ")
    call = f"{{{{ {test}(model='found', **arguments) }}}}"
    environment = jinja2.Environment(autoescape=False)
    environment.globals |= {
        "var": {"tests_every_row": every_row}.__getitem__,
        "should_full_refresh": lambda: full_refresh,
    }
    sql = environment.from_string(macro + call).render(arguments=arguments)
    with duckdb.connect() as connection:
        connection.execute("create table changed as select 'x' as a")
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


@pytest.mark.parametrize("test", ["primary_key", "unique_combination_of_columns"])
@pytest.mark.parametrize(
    ("looked_at", "found"),
    [
        ({}, [("x", "1", 2)]),
        ({"every_row": True}, [("x", "1", 2), ("y", "1", 2)]),
        ({"full_refresh": True}, [("x", "1", 2), ("y", "1", 2)]),
    ],
)
def test_doubles_are_looked_for_among_what_changed_or_everywhere(
    test: str, looked_at: dict[str, bool], found: list[tuple[object, ...]]
) -> None:
    rows: list[Row] = [("x", "1"), ("x", "1"), ("y", "1"), ("y", "1"), ("x", "2")]
    arguments = {"columns": ["a", "b"], "changed": "changed", "by": "a"}
    assert _find(test, rows, **looked_at, **arguments) == found


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
