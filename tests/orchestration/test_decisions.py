"""Decisions on held files (R17): which files wait for one, and what is said of the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import duckdb
import pytest

from orchestration.installation.home import Home
from orchestration.intake.decisions import (
    APPROVED,
    REFUSED,
    NotHeldError,
    OvertakenError,
    check_held,
    decide,
    read_held,
    read_noted,
)


@pytest.fixture
def published() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "create table intake_files as select"
        " status as file_id, 'lumina' as organization_id, 'x.csv' as file_name,"
        " date '2026-03-02' as business_date, now() as received_at, status,"
        " 'x' as message, 1 as new_count, 1 as changed_count, 1 as unchanged_count,"
        " 1 as withdrawn_count, 1 as kept_in_process_count, 1 as unidentified_count,"
        " 1.00 as accepted_amount"
        " from unnest(['applied', 'duplicate', 'held', 'refused', 'superseded']) as _(status)"
    )
    return connection


def test_only_held_files_wait_for_a_decision(published: duckdb.DuckDBPyConnection) -> None:
    assert [file.file_id for file in read_held(published)] == ["held"]
    check_held(published, "held")


@pytest.mark.parametrize(
    ("file_id", "said"),
    [
        ("nowhere", "there is no file nowhere; `held` lists those that wait"),
        (
            "applied",
            "file applied is applied: only held files wait for a decision; `held` lists them",
        ),
        (
            "refused",
            "file refused is refused: only held files wait for a decision; `held` lists them",
        ),
    ],
)
def test_a_file_that_does_not_wait_is_told_with_why(
    published: duckdb.DuckDBPyConnection, file_id: str, said: str
) -> None:
    with pytest.raises(NotHeldError) as raised:
        check_held(published, file_id)
    assert str(raised.value) == said
    assert raised.value.exit_status == 2


def test_a_file_that_a_newer_one_has_overtaken_is_no_wrong_use(
    published: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(OvertakenError) as raised:
        check_held(published, "superseded")
    assert str(raised.value) == (
        "file superseded is superseded: a newer file has been applied; nothing is left to decide"
    )
    assert raised.value.exit_status == 1


def test_a_note_that_a_load_forgets_while_the_notes_are_read_is_passed_over(home: Home) -> None:
    decide(home, "a", REFUSED, datetime(2026, 3, 3, tzinfo=UTC))
    # It is listed, and there is nothing to be read.
    (home.decisions / "b.json").symlink_to(home.decisions / "gone")
    assert [each.file_id for each in read_noted(home)] == ["a"]


def test_of_all_who_decide_at_once_one_counts_and_each_is_told_which(home: Home) -> None:
    now = datetime(2026, 3, 3, tzinfo=UTC)
    for number in range(20):
        file_id = f"file-{number}"
        with ThreadPoolExecutor(8) as operators:
            told = set(
                operators.map(partial(decide, home, file_id, now=now), [APPROVED, REFUSED] * 4)
            )
        assert told == {each for each in read_noted(home) if each.file_id == file_id}
