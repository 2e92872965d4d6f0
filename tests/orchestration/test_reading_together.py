"""What is told of a file does not depend on the files that are read together with it (R14, R15)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import duckdb
import pytest

from orchestration.contracts.organizations import read_column_aliases, read_organizations
from orchestration.formats.file_columns import Layout
from orchestration.formats.text_files import RowsRefusedError, copy_rows, read
from orchestration.installation import row_views
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import copying
from orchestration.intake.copying import Copied
from orchestration.landing import row_files, store
from orchestration.landing.manifests import LandedFile
from tests.orchestration.rows import with_dates

LUMINA = read_organizations(PROJECT / "seeds")[0]
ALIASES = read_column_aliases(PROJECT / "seeds")
NOON = datetime(2026, 3, 2, 12)
HEADERS = (
    "rut,producto,vencimiento,monto",
    "rut,producto,vencimiento,monto,plan",
    "monto,vencimiento,plan,producto,rut",
)
CELLS = ("12345678-5", "A-1", "2026-04-01", "1000", "", " x ", '"a,b"', '"a\nb"', "ñ", "=1")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"enable_external_file_cache": "false"}) as connection:
        yield connection


def _land(home: Home, number: int, content: bytes, kind: str = "invoices") -> LandedFile:
    name = sha256(content).hexdigest()
    path = store.file_path(home, LUMINA.organization_id, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return LandedFile.of(
        LUMINA,
        kind=kind,
        file_name=f"{number}.csv",
        business_date=date(2026, 3, 2),
        sha256=name,
        byte_count=len(content),
        modified_at=NOON,
        received_at=NOON,
        file_code=None,
        listed_size=None,
    )


def _copy(
    connection: duckdb.DuckDBPyConnection, home: Home, files: Sequence[LandedFile]
) -> tuple[list[Copied], dict[str, list[tuple[Any, ...]]]]:
    """What came of files that are read together, and the rows of each kind in their order."""
    with row_files.collecting(connection, home, 1) as rows:
        copied = copying.copy_files(connection, home, files, ALIASES, rows)
        kept = rows.keep()
    found = {}
    for each in kept:
        path = each.path(home)
        names = ", ".join(row_views.names_in_file(each.table_name))
        found[each.table_name] = connection.execute(
            f"select {names} from read_parquet(?, file_row_number = true) order by file_row_number",
            [str(path)],
        ).fetchall()
        path.unlink()
    return copied, found


def _content(chance: random.Random) -> bytes:
    """A file of one of a few shapes, some of which cannot be read."""
    header = chance.choice(HEADERS)
    width = header.count(",") + 1
    line_end = chance.choice(("\n", "\n", "\r\n"))
    cells = CELLS[: chance.choice((5, 6, 7, 10))]
    lines = [
        ",".join(chance.choice(cells) for _ in range(width)) for _ in range(chance.randrange(6))
    ]
    if chance.random() < 0.1:
        lines.append("one cell")
    if chance.random() < 0.2:
        lines.insert(0, "")
    text = line_end.join([header, *lines, *chance.choice(([], [""]))])
    return text.encode(chance.choice(("utf-8", "utf-8-sig", "cp1252")))


@pytest.mark.parametrize("seed", range(8))
def test_files_of_many_shapes_are_what_each_is_by_itself(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    chance = random.Random(seed)
    kinds = ("invoices", "payments")
    files = [_land(home, n, _content(chance), chance.choice(kinds)) for n in range(40)]
    alone = [_copy(connection, home, [file]) for file in files]
    queries: list[int] = []

    def counted(connection: Any, readings: Any, *arguments: Any) -> int:
        queries.append(len(readings))
        return copy_rows(connection, readings, *arguments)

    monkeypatch.setattr(copying, "copy_rows", counted)
    together, rows = _copy(connection, home, files)
    assert together == [copied for [copied], _ in alone]
    assert max(queries) > 2
    assert sum(queries) == sum(each.code is None for each in together)
    for table in ("invoices", "organization_payments"):
        wanted = [row for _, found in alone for row in found.get(table, [])]
        assert sorted(map(repr, rows[table])) == sorted(map(repr, wanted))
        # The rows of a file follow one another, as in the file.
        places = [row[:2] for row in rows[table]]
        by_file = {file: [line for each, line in places if each == file] for file, _ in places}
        assert places == [(file, line) for file, lines in by_file.items() for line in sorted(lines)]


def test_files_of_more_bytes_than_are_read_together_are_all_read(
    connection: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [_land(home, n, f"{HEADERS[0]}\n1,A-{n},3,4\n".encode()) for n in range(9)]
    expected = _copy(connection, home, files)
    monkeypatch.setattr(copying, "_BYTES_TOGETHER", 3 * files[0].byte_count)
    assert _copy(connection, home, files) == expected
    assert [row[0] for row in expected[1]["invoices"]] == [file.file_id for file in files]


def test_the_copies_that_are_read_are_what_counts(
    connection: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy in UTF-8 may be twice as large as the file."""
    header, letters = HEADERS[0], "ñ" * 1000
    files = [_land(home, n, f"{header}\n1,{n}{letters},3,4\n".encode("cp1252")) for n in range(6)]
    queries: list[int] = []

    def counted(connection: Any, readings: Any, *arguments: Any) -> int:
        queries.append(len(readings))
        return copy_rows(connection, readings, *arguments)

    monkeypatch.setattr(copying, "copy_rows", counted)
    monkeypatch.setattr(copying, "_BYTES_TOGETHER", 3 * files[0].byte_count)
    _copy(connection, home, files)
    assert queries == [2, 2, 2]


def test_of_files_one_of_which_is_not_read_whole_the_others_are(
    connection: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [_land(home, n, f"{HEADERS[0]}\n1,A-{n},3,4\n".encode()) for n in range(5)]
    left = [files[2]]

    def changed(connection: Any, readings: Any, *arguments: Any) -> int:
        if left:
            path = store.stored_path(home, left.pop())
            path.write_bytes(path.read_bytes() + b"5,6,7,8\n")
        return copy_rows(connection, readings, *arguments)

    monkeypatch.setattr(copying, "copy_rows", changed)
    copied, rows = _copy(connection, home, files)
    assert [each.code for each in copied] == [None, None, "record_count_mismatch", None, None]
    assert [each.record_count for each in copied] == [1, 1, 0, 1, 1]
    others = [file.file_id for file in files if file is not files[2]]
    assert [row[0] for row in rows["invoices"]] == others


def test_a_file_that_duckdb_refuses_is_named_among_others(
    connection: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    amounts = ("2026-03-01", "ana@example.com", "2026-03-03")
    files = [
        _land(home, n, f"{HEADERS[0]}\n1,2,3,{amount}\n".encode())
        for n, amount in enumerate(amounts)
    ]
    monkeypatch.setattr(row_views, "row_tables", lambda: {"invoices": with_dates("amount")})
    connection.begin()
    with pytest.raises(RowsRefusedError) as raised:
        _copy(connection, home, files)
    assert str(raised.value) == f"lumina, file {files[1].sha256}: ConversionException"
    assert [path for path in home.rows.rglob("*") if path.is_file()] == []


def test_a_transaction_goes_on_after_files_that_are_only_read_one_by_one(
    connection: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [_land(home, n, f"{HEADERS[0]}\n1,A-{n},3,4\n".encode()) for n in range(3)]
    expected = _copy(connection, home, files)

    def refused(connection: Any, readings: Any, *arguments: Any) -> int:
        if len(readings) > 1:
            with pytest.raises(duckdb.ConversionException):
                connection.execute("select 'x'::date")
            raise RowsRefusedError("ConversionException")
        return copy_rows(connection, readings, *arguments)

    monkeypatch.setattr(copying, "copy_rows", refused)
    connection.begin()
    assert _copy(connection, home, files) == expected
    connection.commit()


def test_files_of_several_shapes_are_not_read_by_one_query(
    connection: duckdb.DuckDBPyConnection, home: Home
) -> None:
    target, table = home.scratch / "rows.parquet", row_views.row_tables()["invoices"]
    layout = Layout(LUMINA.organization_id, "invoices", ",", "rut")
    one, other = (
        store.stored_path(home, _land(home, n, f"{header}\n1,2,3,4,5\n".encode()))
        for n, header in enumerate(HEADERS[1:])
    )
    with (
        read(one, layout, ALIASES, home.scratch) as first,
        read(other, layout, ALIASES, home.scratch) as second,
    ):
        readings = {"one": first, "other": second}
        with pytest.raises(ValueError, match="several shapes"):
            copy_rows(connection, readings, table, target, "zstd")
