"""Rows into schema `raw`: every value arrives as it was given, or an error says that it cannot.

And the two files of a warehouse, of which one is lost or of dbt alone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from orchestration import runs
from orchestration.installation import warehouse
from orchestration.installation.damage import DamagedError
from orchestration.landing import manifests
from orchestration.landing.manifests import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.installation.home import Home

COLUMNS = {
    "place": "bigint",
    "words": "varchar",
    "count_of": "bigint",
    "share": "decimal(18, 6)",
    "is_so": "boolean",
    "on_day": "date",
    "said_at": "timestamp",
}
LOAD = {
    "load_id": 1,
    "loaded_at": datetime(2026, 3, 2),
    "business_date": date(2026, 3, 2),
    "contracts": "",
}


@pytest.fixture
def connection(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.connect(home) as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        connection.execute(f"create table raw.things ({columns})")
        yield connection


def _inserted(
    connection: duckdb.DuckDBPyConnection, column: str, values: list[object]
) -> list[object]:
    rows = [{"place": place, column: value} for place, value in enumerate(values)]
    warehouse.insert(connection, "things", rows)
    found = connection.execute(f"select {column} from raw.things order by place").fetchall()
    return [row[0] for row in found]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (
            "words",
            [
                *("", " ", "null", "NaN", "true", "[1]", '{"a": 1}', "a,b;c|d", "it's", '"', "\\n"),
                *("a\nb\r\nc\td", "\x00", "\x1f", "\u2028", "Ñandú 🦤", None),
            ],
        ),
        ("count_of", [0, -1, 2**62, None]),
        ("share", [Decimal("0.5"), Decimal("123456789012.000001"), None]),
        ("is_so", [True, False, None]),
        ("on_day", [date(2024, 2, 29), date(1, 1, 1), None]),
        ("said_at", [datetime(2026, 3, 1), datetime(2026, 3, 1, 23, 59, 59, 999999), None]),
    ],
)
def test_values_arrive_as_they_were_given(connection, column, values):
    assert _inserted(connection, column, values) == values


def test_an_instant_with_a_zone_arrives_in_utc(connection):
    instant = datetime(2026, 3, 2, 23, 30, tzinfo=timezone(timedelta(hours=-3)))
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    assert _inserted(connection, "said_at", [instant, instant.astimezone(UTC)]) == [utc, utc]


def test_more_rows_than_a_vector_has_arrive_each_once(connection):
    values: list[object] = [str(number) for number in range(5000)]
    assert _inserted(connection, "words", values) == values


def test_a_column_that_only_a_later_row_has_arrives(connection):
    rows = [{"place": 1}, {"place": 2, "words": "later"}]
    warehouse.insert(connection, "things", rows)
    found = connection.execute("select place, words from raw.things order by place").fetchall()
    assert found == [(1, None), (2, "later")]


def test_what_raw_has_no_form_for_is_an_error(connection):
    with pytest.raises(TypeError, match="bytes"):
        warehouse.insert(connection, "things", [{"words": b"bytes"}])
    assert connection.execute("select count(*) from raw.things").fetchone() == (0,)


def test_a_warehouse_of_an_older_version_says_how_to_go_on(home: Home) -> None:
    with warehouse.connect(home) as connection:
        warehouse.check_raw(connection)
        connection.execute("alter table raw.loads drop column contracts")
        with pytest.raises(warehouse.OlderWarehouseError, match=r"raw\.loads\.contracts.*replay"):
            warehouse.check_raw(connection)


@pytest.mark.parametrize("is_finished", [True, False])
def test_lost_marts_of_a_warehouse_with_a_load_are_never_made_anew(
    home: Home, is_finished: bool
) -> None:
    with warehouse.connect(home) as connection:
        warehouse.insert(connection, "loads", [LOAD])
        if is_finished:
            warehouse.finish_load(connection, 1)
    home.marts.unlink()
    for open_ in (warehouse.connect, warehouse.reading):
        with pytest.raises(DamagedError, match=r"marts\.duckdb is missing"), open_(home):
            pass
    assert not home.marts.exists()


def test_marts_that_dbt_alone_made_are_those_of_no_load(home: Home) -> None:
    with warehouse.connect(home):
        pass
    with duckdb.connect(str(home.marts)) as connection:
        connection.execute("drop table finished_load")
    with warehouse.reading(home) as connection:
        warehouse.check_together(connection, home)


def _finish(home: Home) -> None:
    with warehouse.connect(home) as connection:
        warehouse.insert(connection, "loads", [LOAD])
        warehouse.finish_load(connection, 1)


def _tell_other_marts(home: Home) -> None:
    other = r"marts\.duckdb and warehouse\.duckdb are not of the same load.*replay"
    with pytest.raises(DamagedError, match=other), warehouse.connect(home):
        pass
    with (
        warehouse.reading(home) as connection,
        pytest.raises(DamagedError, match=other),
    ):
        warehouse.check_together(connection, home)


@pytest.mark.parametrize("put_back", ["marts", "warehouse"])
def test_a_file_from_before_a_replay_is_told_beside_the_other_of_the_same_load(
    home: Home, put_back: str
) -> None:
    """An erasure replays, too: it would bring back a person."""
    _finish(home)
    manifests.write_manifest(home, Manifest(1, datetime(2026, 3, 2), date(2026, 3, 2)))
    runs.set_aside(home, lambda _: None)
    _finish(home)
    path = getattr(home, put_back)
    home.set_aside[path].replace(path)
    _tell_other_marts(home)


@pytest.mark.parametrize("put_back", ["marts", "warehouse"])
def test_a_file_of_a_former_version_without_an_id_is_told_beside_one_of_this(
    home: Home, put_back: str
) -> None:
    _finish(home)
    for path, change in (
        (home.warehouse, "drop table warehouse_id"),
        (home.marts, "alter table finished_load drop column warehouse_id"),
    ):
        with duckdb.connect(str(path)) as connection:
            connection.execute(change)
    path = getattr(home, put_back)
    former = path.read_bytes()
    with warehouse.connect(home):
        pass
    with warehouse.connect(home):
        pass
    path.write_bytes(former)
    _tell_other_marts(home)


def test_no_kill_while_a_warehouse_gets_its_id_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for write in ("_identify", "_stamp"):
        with monkeypatch.context() as patch:
            patch.setattr(warehouse, write, die)
            with pytest.raises(KeyboardInterrupt), warehouse.connect(home):
                pass
    _finish(home)
    with warehouse.connect(home) as connection:
        (of_marts,) = connection.execute("from marts.main.finished_load").fetchall()
        (own,) = connection.execute("from warehouse.main.warehouse_id").fetchall()
    assert of_marts == (1, *own)
