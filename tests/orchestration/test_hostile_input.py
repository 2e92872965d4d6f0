"""Input that means harm, or looks as if it did: data stays data, and what is no text is refused.

Named cases go through one run of the operators' command, one organization each, with a number of
files spoilt at random. Many more of those are read without a run (`TestFuzz`). SALDO_FUZZ sets how
many; `SALDO_FUZZ=20000` takes some minutes.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import os
import random
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.contracts.organizations import read_column_aliases
from orchestration.formats.event_lines import Refusal, read_lines
from orchestration.formats.file_columns import Layout
from orchestration.formats.text_files import RowsRefusedError, copy_rows, read
from orchestration.installation import row_views
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.project_yaml import raw_tables
from orchestration.intake import copying
from orchestration.landing import manifests, row_files, store
from tests.orchestration.installations import Deposit, Ran, Rows, one_run, organization_of
from tests.orchestration.rows import with_dates

EXAMPLES = int(os.environ.get("SALDO_FUZZ", "500"))
FUZZED_IN_THE_RUN = 60

HEADER = "rut,producto,vencimiento,monto,nota"
DUE = date(2026, 3, 31)
# In every readable case: it must be in the tables, and in no log.
CANARY = "canario.7319@example.com"


@dataclass(frozen=True)
class Case:
    """A file and what comes of it.

    Args:
        deposit: the file, its name and its contract.
        debts: customer, product, due date, amount, attributes.
        refused: line and code of each refused row.
        file: status and code of the file.

    """

    deposit: Deposit
    debts: Rows = field(default_factory=list)
    refused: Rows = field(default_factory=list)
    file: tuple[str, str | None] = ("applied", None)


def _csv(*rows: Sequence[str], header: Sequence[str] = HEADER.split(",")) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def _debt(product: str, **attributes: str) -> tuple[object, ...]:
    return ("12345678-5", product, DUE, Decimal("1000.00"), attributes or None)


def _as_products(*products: str) -> Case:
    """Each text as a product, and as an attribute beside it."""
    rows = [("12345678-5", text, "2026-03-31", "1000", text + CANARY) for text in products]
    debts = [_debt(text.strip(" "), nota=text + CANARY) for text in products]
    return Case(Deposit(_csv(*rows)), debts=sorted(debts, key=lambda debt: str(debt[1]).encode()))


def _refused(content: bytes, code: str) -> Case:
    return Case(Deposit(content), file=("refused", code))


ONE_ROW = ("12345678-5", "P-1", "2026-03-31", "1000", CANARY)
ONE_DEBT = _debt("P-1", nota=CANARY)
FORMULAS = ("+5", "-2+3+cmd|' /C calc'!A0", "=1+1", '=HYPERLINK("http://x","y")', "@SUM(A1)")
INJECTIONS = (
    "' or '1'='1",
    "'); drop table raw.invoices; --",
    '"; delete from debts; --',
    "$1 ? :name %s {0} {{}}",
    "<script>alert(1)</script>",
    "{% do run_query('drop schema raw cascade') %}",
    "{{ env_var('SFTP_KNOWN_HOSTS_FILE') }}",
    "\u202e123\u200b\ufeff",
    "${HOME}`id`",
)


def _zip() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("debts.csv", _csv(ONE_ROW))
    return archive.getvalue()


CASES = {
    "formulas in cells": _as_products(*FORMULAS),
    "formulas as amounts, dates and customers": Case(
        Deposit(
            _csv(
                ("12345678-5", "P-1", "2026-03-31", "=1000", ""),
                ("12345678-5", "P-2", "=DATE(2026,3,31)", "1000", ""),
                ("=12345678-5", "P-3", "2026-03-31", "1000", ""),
            )
        ),
        refused=[(2, "invalid_amount"), (3, "invalid_due_date"), (4, "invalid_rut")],
    ),
    "amounts whose sum is longer than an amount can be": Case(
        Deposit(
            _csv(
                ("12345678-5", "P-1", "2026-03-31", "9" * 14, ""),
                ("12345678-5", "P-2", "2026-03-31", "9" * 14, ""),
            )
        ),
        debts=[
            ("12345678-5", product, DUE, Decimal("99999999999999.00"), None)
            for product in ("P-1", "P-2")
        ],
    ),
    "SQL, Jinja and markup in cells": _as_products(*INJECTIONS),
    "SQL, Jinja and markup in headers": Case(
        Deposit(
            _csv(
                (*ONE_ROW[:4], *(f"{number}{CANARY}" for number in range(len(INJECTIONS)))),
                header=(*HEADER.split(",")[:4], *INJECTIONS),
            )
        ),
        debts=[
            _debt(
                "P-1",
                **{name.strip(): f"{number}{CANARY}" for number, name in enumerate(INJECTIONS)},
            )
        ],
    ),
    "SQL and a line end in the name of the file": Case(
        Deposit(
            _csv(ONE_ROW),
            {"invoices_pattern": "*YYYY-MM-DD*=1+1"},
            name="'); drop table debts; --\n2026-03-02{{ 1 }}\"=1+1",
        ),
        debts=[ONE_DEBT],
    ),
    "10,000 columns": Case(
        Deposit(
            _csv(
                (*ONE_ROW[:4], *map(str, range(9_996))),
                header=(*HEADER.split(",")[:4], *(f"k{number}" for number in range(9_996))),
            )
        ),
        debts=[_debt("P-1", **{f"k{number}": str(number) for number in range(9_996)})],
    ),
    "more columns than a spreadsheet has": _refused(
        HEADER.encode() + b",x" * 16_384 + b"\n", "too_many_columns"
    ),
    "5 GB against a limit of 1 GB": Case(
        Deposit(_csv(ONE_ROW), size=5 * 10**9), file=("refused", "file_too_large")
    ),
    "a zip archive": _refused(_zip(), "nul_bytes"),
    "a gzip archive": _refused(gzip.compress(_csv(ONE_ROW) * 99, mtime=0), "nul_bytes"),
    "a PDF": _refused(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /X 1 >>", "missing_column"),
    "a web page": _refused(b"<!doctype html>\n<html><body>Login</body></html>", "missing_column"),
    "JSON": _refused(json.dumps({"rut": ONE_ROW[0]}).encode(), "missing_column"),
    "nothing but NUL bytes": _refused(bytes(100_000), "nul_bytes"),
    "a NUL byte in a cell": _refused(_csv(("1", "P\0", "", "", "")), "nul_bytes"),
    "nothing but quotes": _refused(b'"' * 1_000_001, "unclosed_quote"),
    "a record that does not end": _refused(
        HEADER.encode() + b"\n" + b"x" * 20_000_000, "record_too_long"
    ),
    "two byte order marks": Case(Deposit(codecs.BOM_UTF8 * 2 + _csv(ONE_ROW)), debts=[ONE_DEBT]),
    "control characters in cells": _as_products(
        "a\x01b", "a\x1bc", "a\x1fd", "a\x7fe", "a\u0085f", "a\u2028g"
    ),
}


def _valid_file(chance: random.Random) -> tuple[bytes, str]:
    """A file that can be read, in some dialect; its delimiter."""
    delimiter = chance.choice(",;|\t")
    text = io.StringIO(newline="")
    if chance.random() < 0.2:
        text.write(f"sep={delimiter}\n")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=chance.choice(["\n", "\r\n", "\r"]),
        quoting=chance.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    )
    writer.writerow(HEADER.split(","))
    for number in range(chance.randrange(12)):
        writer.writerow(
            (
                chance.choice(["12345678-5", "11.111.111-1", "1-9"]),
                f"producto{number}",
                chance.choice(["2026-03-31", "31-03-2026"]),
                chance.choice(["1000", "15.000", "1500.50", "-1"]),
                chance.choice(["", "María Ñandú", "a, b; c | d", 'dijo "sí"', "dos\nlíneas"]),
            )
        )
    encoding = chance.choice(["utf-8", "utf-8-sig", "cp1252"])
    return text.getvalue().encode(encoding), delimiter


SPLINTERS = (
    *(
        b'"',
        b'""',
        b",",
        b";",
        b"\t",
        b"|",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\x1a",
        b"\x1b",
        b"\x1f",
    ),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b"\xb1", b"\x81", b"\xf0\x9f", b"\xed\xa0\x80"),
    *(b"sep=;\n", b"'", b"\\", b" ", b"rut", b"monto", b"9" * 300, b'"\n"', b"=1+1", b"''); --"),
)


def _spoilt(content: bytes, chance: random.Random) -> bytes:
    """The same file after a few accidents: bytes lost, changed, doubled, put in, cut off."""
    for _ in range(chance.randrange(1, 4)):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.choice([1, 1, 2, 8, 64]))
        part = content[start:end]
        instead = chance.choice(
            [
                b"",
                part + part,
                chance.choice(SPLINTERS),
                chance.choice(SPLINTERS) + part,
                bytes(byte ^ (1 << chance.randrange(8)) for byte in part),
                part[::-1],
            ]
        )
        content = content[:start] + instead + content[end:]
        if chance.random() < 0.1:
            content = content[: chance.randrange(len(content) + 1)]
    return content


def _fuzzed() -> dict[str, Deposit]:
    deposits = {}
    for number in range(FUZZED_IN_THE_RUN):
        chance = random.Random(number)
        content, delimiter = _valid_file(chance)
        name = "tab" if delimiter == "\t" else delimiter
        deposits[f"spoilt {number}"] = Deposit(_spoilt(content, chance), {"delimiter": name})
    return deposits


def _parsed_plainly(content: bytes, delimiter: str) -> list[list[str]]:
    """The records of a readable file the slow way, the header first."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")
    text = re.sub(r'\A"?sep=[^\r\n]"?[ \t]*(\r\n|\r|\n|\Z)', "", text, flags=re.IGNORECASE)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [row for row in reader if row and not (len(row) == 1 and not row[0].strip())]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    deposits = {**{name: case.deposit for name, case in CASES.items()}, **_fuzzed()}
    root = tmp_path_factory.mktemp("hostile")
    with one_run(root, deposits, {"SALDO_FILE_LIMIT": "1GB"}) as ran:
        assert ran.command.returncode == 1, ran.command.stderr  # some files are refused
        yield ran


class TestRun:
    """What a run makes of it."""

    @pytest.mark.parametrize("name", CASES)
    def test_data_stays_data_and_what_is_no_text_is_refused(self, ran: Ran, name: str) -> None:
        case, organization_id = CASES[name], organization_of(name)
        assert ran.files(organization_id) == [case.file]
        assert ran.refused_rows(organization_id) == case.refused
        assert ran.debts(organization_id) == case.debts

    def test_what_was_too_large_was_never_here(self, ran: Ran) -> None:
        organization_id = organization_of("5 GB against a limit of 1 GB")
        assert ran.query(
            "select byte_count, sha256, record_count from intake_files where organization_id = ?",
            organization_id,
        ) == [(5 * 10**9, None, 0)]
        assert not (ran.home.landing / organization_id).exists()

    @pytest.mark.parametrize("name", _fuzzed())
    def test_of_a_spoilt_file_each_record_is_a_debt_or_refused(self, ran: Ran, name: str) -> None:
        deposit = _fuzzed()[name]
        ((status, code, message, records, accepted, rejected),) = ran.query(
            """
            select status, code, message, record_count, accepted_count, rejected_count
            from intake_files
            where organization_id = ?
            """,
            organization_of(name),
        )
        assert records == accepted + rejected
        assert len(ran.refused_rows(organization_of(name))) == rejected
        assert len(ran.debts(organization_of(name))) == (accepted if status == "applied" else 0)
        if status == "refused" and code != "too_many_rejected_rows":
            assert records == 0
            assert message
        else:
            delimiter = deposit.contract["delimiter"].replace("tab", "\t")
            assert records == len(_parsed_plainly(deposit.content, delimiter)) - 1

    def test_no_cell_is_in_a_log_or_a_message(self, ran: Ran) -> None:
        """Mails and RUTs stand in the tables, where they belong, and nowhere else (R30)."""
        assert ran.query(
            "select count(*) > 0 from debts where contains(attributes, ?)", CANARY
        ) == [(True,)]
        cells = (CANARY, "12345678-5", "11.111.111-1", "María Ñandú", "dijo ")
        for where, text in ran.log_texts():
            assert [cell for cell in cells if cell in text] == [], where
        messages = ran.query("select coalesce(message, '') from intake_files")
        assert not [text for (text,) in messages if any(cell in text for cell in cells)]

    def test_every_table_is_still_there(self, ran: Ran) -> None:
        tables = {name for (name,) in ran.query("select table_name from information_schema.tables")}
        assert {*raw_tables(), "debts", "payments", "intake_files"} <= tables


def test_what_duckdb_will_not_take_is_told_with_its_file_and_without_its_rows(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _csv(ONE_ROW)
    sha256 = hashlib.sha256(content).hexdigest()
    path = store.file_path(home, "lumina", sha256)
    path.parent.mkdir()
    path.write_bytes(content)
    noon = datetime(2026, 3, 2, 12)
    file = manifests.LandedFile(
        organization_id="lumina",
        kind="invoices",
        file_name=f"{CANARY}.csv",
        business_date=noon.date(),
        sha256=sha256,
        byte_count=len(content),
        modified_at=noon,
        received_at=noon,
        update_mode="replace",
        customer_id_scheme="rut",
        currency="CLP",
        delimiter=",",
        date_format="YYYY-MM-DD",
        decimal_separator=".",
        max_withdrawal_share="0.5",
        max_rejected_share="0.2",
    )
    aliases = read_column_aliases(PROJECT / "seeds")
    monkeypatch.setattr(row_views, "row_tables", lambda: {"invoices": with_dates("amount")})
    with (
        duckdb.connect() as connection,
        row_files.collecting(connection, home, 1) as rows,
        pytest.raises(RowsRefusedError) as raised,
    ):
        copying.copy_files(connection, home, [file], aliases, rows)
    assert [path for path in home.rows.rglob("*") if path.is_file()] == []
    assert str(raised.value) == f"lumina, file {sha256}: ConversionException"
    assert raised.value.__suppress_context__


HAS_LINE = {
    *("nul_bytes", "wrong_field_count", "unclosed_quote", "text_after_quote", "record_too_long"),
    "damaged_encoding",
}
HAS_NO_LINE = {
    *("empty_file", "unreadable_encoding", "missing_column", "doubled_column", "too_many_columns"),
}


@pytest.fixture(name="connection", scope="module")
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"enable_external_file_cache": "false"}) as connection:
        yield connection


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


class TestFuzz:
    """Files spoilt at random, read without a run."""

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(number=st.integers(0, 2**64))
    def test_a_spoilt_file_is_read_whole_or_refused_with_code_and_line(
        self, connection: duckdb.DuckDBPyConnection, folder: Path, number: int
    ) -> None:
        chance = random.Random(number)
        content, delimiter = _valid_file(chance)
        content = _spoilt(content, chance)
        path = folder / "landed"
        path.write_bytes(content)
        layout = Layout("lumina", "invoices", delimiter, "rut")
        with read(path, layout, read_column_aliases(PROJECT / "seeds"), folder) as reading:
            if reading.code is None:
                records = _parsed_plainly(content, delimiter)[1:]
                assert reading.record_count == len(records)
                target = folder / "rows.parquet"
                copied = copy_rows(
                    connection, {"f": reading}, row_views.row_tables()["invoices"], target, "zstd"
                )
                rows = []
                if copied:
                    rows = connection.execute(
                        "select customer_id, product_id, due_date, amount from read_parquet(?)"
                        " order by line_number",
                        [str(target)],
                    ).fetchall()
                    target.unlink()
                assert copied == len(rows) == len(records)
                at = [reading.columns[name] for name in ("customer_id", "product_id", "due_date")]
                at.append(reading.columns["amount"])
                assert rows == [
                    tuple((row[each] if each < len(row) else "") or None for each in at)
                    for row in records
                ]
            else:
                assert reading.record_count == 0
                assert reading.code in HAS_LINE | HAS_NO_LINE
                assert reading.message is not None
                if reading.code in HAS_LINE:
                    assert re.match(r"Líneas? [1-9][^:\\n]*: ", reading.message)
                for cell in ("12345678-5", "11.111.111-1", "María", "dijo", "producto1"):
                    assert cell not in reading.message
        assert [each.name for each in folder.iterdir()] == ["landed"]

    @settings(max_examples=EXAMPLES // 2, deadline=None)
    @given(number=st.integers(0, 2**64))
    def test_each_line_of_spoilt_events_is_an_event_or_a_refusal(
        self, folder: Path, number: int
    ) -> None:
        chance = random.Random(number)
        event: Mapping[str, object] = {
            "event_id": "e-1",
            "occurred_at": "2026-03-02T10:15:00-03:00",
            "organization_id": "lumina",
            "payment_id": "pay-1",
            "customer_id": "12345678-5",
            "product_id": "Póliza 1",
            "due_date": "2026-03-31",
            "amount": chance.choice([1000, "1500.50", 1e3]),
            "currency": "CLP",
            "channel": "webpay",
            "status": "authorized",
        }
        lines = [json.dumps(event, ensure_ascii=chance.random() < 0.5).encode() + b"\n"] * 4
        content = _spoilt(b"".join(lines), chance)
        content = content[: content.rfind(b"\n") + 1]
        path = folder.with_name("events.jsonl")
        path.write_bytes(content)
        found = list(read_lines(path, 0))
        numbers = [at for at, line in enumerate(content.split(b"\n"), 1) if line.strip()]
        assert [each.line_number for each in found] == numbers
        for each in found:
            if isinstance(each, Refusal):
                assert "12345678" not in each.message
