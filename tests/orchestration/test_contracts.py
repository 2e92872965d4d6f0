"""The contracts as data (R11): what is read, what is refused, and how that is said."""

from __future__ import annotations

import csv
import shutil
import time as clock
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestration.contracts import event_words, organizations
from orchestration.contracts.cutoffs import is_due
from orchestration.contracts.event_words import read_event_words
from orchestration.contracts.organizations import (
    FIELDS,
    REQUIRED,
    Organization,
    normalize_header,
    read_column_aliases,
    read_contracts,
    read_organizations,
)
from orchestration.contracts.tables import ContractError

PROJECT = Path(__file__).parents[2]
SEEDS = PROJECT / "seeds"
SANTIAGO = ZoneInfo("America/Santiago")

LUMINA = Organization(
    organization_id="lumina",
    name="Lumina Energía",
    country="CL",
    customer_id_scheme="rut",
    update_mode="replace",
    payment_flow="in_process",
    currency="CLP",
    time_zone=SANTIAGO,
    cutoff_time=time(5),
    sftp_host="127.0.0.1",
    sftp_port=2222,
    sftp_username="saldo",
    inbox_dir="lumina/inbox",
    outbox_dir="lumina/outbox",
    invoices_pattern="YYYY-MM-DD_toku_invoices.csv",
    payments_pattern="YYYY-MM-DD_toku_payments.csv",
    delimiter=",",
    decimal_separator=".",
    date_format="YYYY-MM-DD",
    max_withdrawal_share=Decimal("0.5"),
    max_rejected_share=Decimal("0.2"),
)
ROW = {
    "organization_id": "lumina",
    "name": "Lumina Energía",
    "country": "CL",
    "customer_id_scheme": "rut",
    "update_mode": "replace",
    "payment_flow": "in_process",
    "sftp_host": "127.0.0.1",
    "sftp_port": "2222",
    "sftp_username": "saldo",
    "inbox_dir": "lumina/inbox",
    "outbox_dir": "lumina/outbox",
}
COLUMNS = tuple(Organization.__dataclass_fields__)


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    """A copy of the project's contracts, for a test to spoil."""
    return Path(shutil.copytree(SEEDS, tmp_path / "seeds"))


def write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_organizations(seeds: Path, *rows: Mapping[str, str]) -> None:
    write(seeds / "organizations.csv", COLUMNS, rows)


def write_aliases(seeds: Path, *lines: str) -> None:
    text = "\n".join(("organization_id,file_kind,alias,field", *lines))
    (seeds / "column_aliases.csv").write_text(text, encoding="utf-8")


def read_seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / name).open(encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source, strict=True))


def problems_of(seeds: Path) -> list[str]:
    with pytest.raises(ContractError) as raised:
        read_organizations(seeds)
    return str(raised.value).splitlines()


def alias_problems_of(seeds: Path) -> list[str]:
    with pytest.raises(ContractError) as raised:
        read_column_aliases(seeds)
    return str(raised.value).splitlines()


class TestOrganizations:
    """organizations.csv and organization_defaults.csv."""

    def test_the_sample_contracts_read_with_their_defaults_filled_in(self) -> None:
        andes = Organization(
            **{
                **vars(LUMINA),
                "organization_id": "andes_seguros",
                "name": "Andes Seguros",
                "update_mode": "upsert",
                "payment_flow": "instant",
                "inbox_dir": "andes_seguros/inbox",
                "outbox_dir": "andes_seguros/outbox",
                "delimiter": ";",
                "decimal_separator": ",",
                "date_format": "DD-MM-YYYY",
            }
        )
        colegio = Organization(
            **{
                **vars(LUMINA),
                "organization_id": "colegio_pehuen",
                "name": "Colegio Pehuén",
                "customer_id_scheme": "external_id",
                "time_zone": ZoneInfo("America/Punta_Arenas"),
                "inbox_dir": "colegio_pehuen/inbox",
                "outbox_dir": "colegio_pehuen/outbox",
                "delimiter": "|",
                "date_format": "DD/MM/YYYY",
            }
        )
        assert read_organizations(SEEDS) == [LUMINA, andes, colegio]

    def test_the_defaults_are_those_of_the_contract(self) -> None:
        assert read_seed("organization_defaults.csv") == [
            {
                "currency": "CLP",
                "time_zone": "America/Santiago",
                "cutoff_time": "05:00",
                "sftp_port": "22",
                "inbox_dir": "inbox",
                "outbox_dir": "outbox",
                "invoices_pattern": "YYYY-MM-DD_toku_invoices.csv",
                "payments_pattern": "YYYY-MM-DD_toku_payments.csv",
                "delimiter": ",",
                "decimal_separator": ".",
                "date_format": "YYYY-MM-DD",
                "max_withdrawal_share": "0.5",
                "max_rejected_share": "0.2",
                "quiet_seconds": "60",
            }
        ]

    def test_every_problem_of_the_file_is_reported_at_once(self, seeds: Path) -> None:
        write_organizations(
            seeds,
            ROW | {"update_mode": "both", "sftp_port": "0"},
            ROW | {"payment_flow": ""},
        )
        with (seeds / "organizations.csv").open("a", encoding="utf-8") as target:
            target.write("short,row\n")
        assert sorted(problems_of(seeds)) == [
            "organizations.csv, row 2, column sftp_port: '0' is not allowed;"
            " allowed: a port from 1 to 65535",
            "organizations.csv, row 2, column update_mode: 'both' is not allowed;"
            " allowed: replace or upsert",
            "organizations.csv, row 3, column organization_id: 'lumina' is not allowed;"
            " allowed: an id that row 2 has not taken",
            "organizations.csv, row 3, column payment_flow: '' is not allowed;"
            " allowed: instant or in_process",
            "organizations.csv, row 4: 2 columns; allowed: 22 as in the header",
        ]

    @pytest.mark.parametrize(
        ("column", "value", "allowed"),
        [
            ("organization_id", "", "[a-z][a-z0-9_]*"),
            ("organization_id", "Lumina", "[a-z][a-z0-9_]*"),
            ("organization_id", "../lumina", "[a-z][a-z0-9_]*"),
            ("organization_id", "lumína", "[a-z][a-z0-9_]*"),
            ("name", "", "a text"),
            ("name", "Lumina\nEnergía", "a text"),
            ("country", "chile", "a country code of ISO 3166 such as CL"),
            ("customer_id_scheme", "", "rut or external_id"),
            ("customer_id_scheme", "RUT", "rut or external_id"),
            ("update_mode", "", "replace or upsert"),
            ("payment_flow", "in process", "instant or in_process"),
            (
                "currency",
                "peso",
                "a currency code of ISO 4217 such as CLP, or CLF for the UF",
            ),
            (
                "time_zone",
                "Chile",
                "a name of the IANA time zone database such as America/Santiago",
            ),
            (
                "time_zone",
                "../etc/passwd",
                "a name of the IANA time zone database such as America/Santiago",
            ),
            ("cutoff_time", "24:00", "a time of day as HH:MM"),
            ("cutoff_time", "5:00", "a time of day as HH:MM"),
            ("cutoff_time", "05:0\u0665", "a time of day as HH:MM"),
            ("sftp_host", "", "a text"),
            ("sftp_port", "65536", "a port from 1 to 65535"),
            ("sftp_port", "²²", "a port from 1 to 65535"),
            ("sftp_username", "", "a text"),
            (
                "invoices_pattern",
                "YYYY-MM_toku_invoices.csv",
                "a file name with YYYY, MM and DD once each, * for anything",
            ),
            (
                "payments_pattern",
                "YYYY-MM-DD_MM.csv",
                "a file name with YYYY, MM and DD once each, * for anything",
            ),
            (
                "payments_pattern",
                "paid/YYYYMMDD.csv",
                "a file name with YYYY, MM and DD once each, * for anything",
            ),
            ("delimiter", ":", ", or ; or | or tab"),
            ("delimiter", "\\t", ", or ; or | or tab"),
            ("decimal_separator", ";", ". or ,"),
            (
                "date_format",
                "MM/DD/YYYY",
                "YYYY-MM-DD or DD-MM-YYYY or DD/MM/YYYY or YYYYMMDD",
            ),
            ("max_withdrawal_share", "1.1", "a share from 0 to 1 with at most six decimals"),
            ("max_withdrawal_share", "50%", "a share from 0 to 1 with at most six decimals"),
            ("max_rejected_share", "-0.1", "a share from 0 to 1 with at most six decimals"),
            ("max_rejected_share", "0,2", "a share from 0 to 1 with at most six decimals"),
            ("max_rejected_share", "NaN", "a share from 0 to 1 with at most six decimals"),
            ("max_rejected_share", "0.1234567", "a share from 0 to 1 with at most six decimals"),
        ],
    )
    def test_a_value_that_is_not_allowed_is_named_with_what_would_be(
        self, seeds: Path, column: str, value: str, allowed: str
    ) -> None:
        write_organizations(seeds, ROW | {column: value})
        assert problems_of(seeds) == [
            f"organizations.csv, row 2, column {column}: {value!r} is not allowed;"
            f" allowed: {allowed}"
        ]

    @pytest.mark.parametrize(
        ("column", "cell", "value"),
        [
            ("organization_id", "a", "a"),
            ("name", "  Lumina  ", "Lumina"),
            ("cutoff_time", "00:00", time(0)),
            ("cutoff_time", "23:59", time(23, 59)),
            ("sftp_port", "1", 1),
            ("sftp_port", "65535", 65535),
            ("invoices_pattern", "*_DDMMYYYY_*.txt", "*_DDMMYYYY_*.txt"),
            ("delimiter", ",", ","),
            ("delimiter", ";", ";"),
            ("delimiter", "|", "|"),
            ("delimiter", "tab", "\t"),
            ("decimal_separator", ",", ","),
            ("date_format", "YYYYMMDD", "YYYYMMDD"),
            ("max_withdrawal_share", "0", Decimal(0)),
            ("max_withdrawal_share", "1", Decimal(1)),
            ("max_withdrawal_share", "1.000000", Decimal(1)),
            ("max_rejected_share", "0.000001", Decimal("0.000001")),
            ("quiet_seconds", "0", 0),
            ("quiet_seconds", "86400", 86400),
            ("quiet_seconds", "", 60),
        ],
    )
    def test_a_value_at_the_edge_of_what_is_allowed_is_read(
        self, seeds: Path, column: str, cell: str, value: object
    ) -> None:
        write_organizations(seeds, ROW | {column: cell})
        assert read_organizations(seeds) == [Organization(**{**vars(LUMINA), column: value})]

    @pytest.mark.parametrize("cell", ["-1", "1.5", "86401", "a minute"])
    def test_a_quiet_time_is_whole_seconds_of_a_day(self, seeds: Path, cell: str) -> None:
        write_organizations(seeds, ROW | {"quiet_seconds": cell})
        assert problems_of(seeds) == [
            f"organizations.csv, row 2, column quiet_seconds: {cell!r} is not allowed;"
            " allowed: whole seconds from 0 to 86400"
        ]

    def test_contracts_of_former_versions_have_no_quiet_time_and_are_read(
        self, seeds: Path
    ) -> None:
        for name in ("organizations.csv", "organization_defaults.csv"):
            with (seeds / name).open(encoding="utf-8", newline="") as source:
                rows = list(csv.DictReader(source))
            columns = [column for column in rows[0] if column != "quiet_seconds"]
            with (seeds / name).open("w", encoding="utf-8", newline="") as target:
                writer = csv.DictWriter(target, columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
        assert {each.quiet_seconds for each in read_organizations(seeds)} == {60}

    def test_a_tab_typed_as_the_delimiter_is_not_taken_for_an_empty_cell(self, seeds: Path) -> None:
        write_organizations(seeds, ROW | {"delimiter": "\t"})
        assert problems_of(seeds) == [
            "organizations.csv, row 2, column delimiter: '' is not allowed;"
            " allowed: , or ; or | or tab"
        ]

    def test_columns_missing_unknown_and_doubled_are_one_problem(self, seeds: Path) -> None:
        header = ",".join(("password", "name", *COLUMNS[:-2], COLUMNS[-1]))
        (seeds / "organizations.csv").write_text(f"{header}\n{'secret,' * 23}\n", encoding="utf-8")
        assert problems_of(seeds) == [
            "organizations.csv, row 1: missing columns: max_rejected_share;"
            f" unknown columns: password; doubled columns: name; allowed: {', '.join(COLUMNS)}"
        ]

    def test_a_column_may_not_stand_twice(self, seeds: Path) -> None:
        header = ",".join((*COLUMNS, "name"))
        (seeds / "organizations.csv").write_text(header, encoding="utf-8")
        assert problems_of(seeds) == [
            f"organizations.csv, row 1: doubled columns: name; allowed: {', '.join(COLUMNS)}"
        ]

    def test_the_order_of_the_columns_is_free(self, seeds: Path) -> None:
        write(seeds / "organizations.csv", COLUMNS[::-1], [ROW])
        assert read_organizations(seeds) == [LUMINA]

    def test_a_file_saved_by_a_spreadsheet_reads_the_same(self, seeds: Path) -> None:
        write_organizations(seeds, ROW)
        path = seeds / "organizations.csv"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
        assert read_organizations(seeds) == [LUMINA]

    def test_blank_lines_count_as_lines_and_as_nothing_else(self, seeds: Path) -> None:
        write_organizations(seeds, ROW | {"update_mode": "both"})
        path = seeds / "organizations.csv"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\n\n"))
        assert problems_of(seeds) == [
            "organizations.csv, row 3, column update_mode: 'both' is not allowed;"
            " allowed: replace or upsert"
        ]

    def test_a_row_is_known_by_the_line_it_starts_on(self, seeds: Path) -> None:
        write_organizations(seeds, ROW | {"name": "Lumina\nEnergía"}, ROW | {"country": "Chile"})
        assert [problem.split(":")[0] for problem in problems_of(seeds)] == [
            "organizations.csv, row 2, column name",
            "organizations.csv, row 4, column country",
            "organizations.csv, row 4, column organization_id",
        ]

    def test_a_file_without_rows_has_no_organizations(self, seeds: Path) -> None:
        write_organizations(seeds)
        assert read_organizations(seeds) == []

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (None, "organizations.csv is missing in "),
            (b"", "organizations.csv, row 1: missing columns: organization_id, "),
            (b"organization_id\nLumina Energ\xeda", "organizations.csv is not UTF-8 CSV: "),
            (b'"organization_id', "organizations.csv is not UTF-8 CSV: "),
        ],
    )
    def test_a_file_that_cannot_be_read_is_one_problem(
        self, seeds: Path, content: bytes | None, problem: str
    ) -> None:
        path = seeds / "organizations.csv"
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        (said,) = problems_of(seeds)
        assert said.startswith(problem)

    def test_the_lists_of_codes_of_an_older_version_lack_codes(self, tmp_path: Path) -> None:
        seeds = shutil.copytree(PROJECT / "seeds", tmp_path / "seeds")
        read_contracts(seeds)
        path = seeds / "payment_exception_codes.csv"
        rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        left = [row for row in rows if not row.startswith(("ahead_of_time", "unknown_organ"))]
        path.write_text("".join(left), encoding="utf-8")
        with pytest.raises(ContractError) as told:
            read_contracts(seeds)
        assert str(told.value) == (
            "payment_exception_codes.csv: this version has other codes too: ahead_of_time,"
            f" unknown_organization; add their rows from {PROJECT}/seeds/{path.name}"
        )

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("code,applies_to,message\nx,row,sueño".encode("cp1252"), "is not UTF-8 CSV: "),
            (b"code;applies_to;message", "row 1: missing columns: code, applies_to, message"),
        ],
    )
    def test_a_list_of_codes_that_cannot_be_read_is_one_problem(
        self, tmp_path: Path, content: bytes, said: str
    ) -> None:
        seeds = shutil.copytree(PROJECT / "seeds", tmp_path / "seeds")
        (seeds / "intake_codes.csv").write_bytes(content)
        with pytest.raises(ContractError) as told:
            read_contracts(seeds)
        assert str(told.value).startswith("intake_codes.csv")
        assert said in str(told.value)

    def test_a_file_that_may_not_be_read_is_one_problem(
        self, seeds: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who runs as root may read everything: the refusal is the one of the file system."""
        monkeypatch.setattr(Path, "open", Mock(side_effect=PermissionError))
        (said,) = problems_of(seeds)
        assert said.startswith("organization_defaults.csv in ")
        assert said.endswith("may not be read: give Saldo's user the right to")

    def test_a_row_out_of_step_with_the_header_is_reported_without_its_cells(
        self, seeds: Path
    ) -> None:
        write_organizations(seeds, ROW)
        with (seeds / "organizations.csv").open("a", encoding="utf-8") as target:
            target.write("hunter2," * 22 + "\n")
        assert problems_of(seeds) == [
            "organizations.csv, row 3: 23 columns; allowed: 22 as in the header"
        ]

    def test_a_cell_that_says_null_is_refused_as_the_engines_read_it_otherwise(self, seeds) -> None:
        """What was kept for a load is read nonetheless: it was read on DuckDB."""
        write_organizations(seeds, ROW | {"name": " NULL "})
        write_aliases(seeds, ",invoices,null,amount")
        with pytest.raises(ContractError) as raised:
            read_contracts(seeds)
        assert str(raised.value).splitlines() == [
            "organizations.csv, row 2, column name: ' NULL ' is not allowed;"
            " allowed: an empty cell, or another text",
            "column_aliases.csv, row 2, column alias: 'null' is not allowed;"
            " allowed: an empty cell, or another text",
        ]
        assert [each.name for each in read_organizations(seeds)] == ["NULL"]

    def test_a_bad_default_is_reported_once_and_where_it_stands(self, seeds: Path) -> None:
        (default,) = read_seed("organization_defaults.csv")
        spoilt = default | {"date_format": "MM/DD/YYYY"}
        write(seeds / "organization_defaults.csv", organizations.DEFAULTED, [spoilt])
        assert problems_of(seeds) == [
            "organization_defaults.csv, row 2, column date_format: 'MM/DD/YYYY' is not allowed;"
            " allowed: YYYY-MM-DD or DD-MM-YYYY or DD/MM/YYYY or YYYYMMDD"
        ]

    def test_a_column_whose_default_is_empty_must_be_filled(self, seeds: Path) -> None:
        (default,) = read_seed("organization_defaults.csv")
        write(
            seeds / "organization_defaults.csv",
            organizations.DEFAULTED,
            [default | {"currency": ""}],
        )
        write_organizations(seeds, ROW, ROW | {"organization_id": "other", "currency": "UYU"})
        assert problems_of(seeds) == [
            "organizations.csv, row 2, column currency: '' is not allowed;"
            " allowed: a currency code of ISO 4217 such as CLP, or CLF for the UF"
        ]

    @pytest.mark.parametrize("count", [0, 2])
    def test_there_is_one_row_of_defaults(self, seeds: Path, count: int) -> None:
        defaults = read_seed("organization_defaults.csv") * count
        write(seeds / "organization_defaults.csv", organizations.DEFAULTED, defaults)
        assert problems_of(seeds) == [
            f"organization_defaults.csv: {count} readable rows; allowed: exactly one"
        ]

    def test_what_every_contract_must_say_has_no_default(self, seeds: Path) -> None:
        columns = (*organizations.DEFAULTED, "update_mode")
        (default,) = read_seed("organization_defaults.csv")
        write(seeds / "organization_defaults.csv", columns, [default | {"update_mode": "replace"}])
        assert problems_of(seeds) == [
            "organization_defaults.csv, row 1: unknown columns: update_mode;"
            f" allowed: {', '.join(organizations.DEFAULTED)}"
        ]

    def test_a_thousand_contracts_are_read_in_no_time(self, seeds: Path) -> None:
        # Asking for the known time zones once a row made this five seconds.
        row = ROW | {"time_zone": "America/Santiago"}
        rows = [row | {"organization_id": f"o{number}"} for number in range(1000)]
        write_organizations(seeds, *rows)
        begin = clock.process_time()
        assert len(read_organizations(seeds)) == 1000
        assert clock.process_time() - begin < 2


class TestFileNamePatterns:
    """No file is taken for one of another kind (R11)."""

    def _problems(self, seeds: Path, patterns: Mapping[str, str]) -> list[str]:
        write_organizations(seeds, ROW | patterns)
        write_aliases(seeds)
        try:
            read_contracts(seeds)
        except ContractError as error:
            return str(error).splitlines()
        return []

    @pytest.mark.parametrize(
        ("invoices", "payments"),
        [
            ("*YYYYMMDD.csv", "pagos_YYYYMMDD.csv"),
            ("*_YYYYMMDD.csv", "*pagos_YYYYMMDD.csv"),
            ("*YYYYMMDD.csv", "*YYYYMMDD*.csv"),
            ("DATOS_YYYYMMDD.CSV", "datos_YYYYMMDD.csv"),
            ("*DDMMYYYY.csv", "pagos_YYYYMMDD.csv"),
        ],
    )
    def test_a_name_of_debts_and_payments_is_named(self, seeds, invoices, payments) -> None:
        assert self._problems(
            seeds, {"invoices_pattern": invoices, "payments_pattern": payments}
        ) == [
            f"organizations.csv, row 2, column invoices_pattern: {invoices!r} is not allowed;"
            f" allowed: a pattern that takes no file of payments, {payments!r}"
        ]

    def test_a_name_of_customers_is_named(self, seeds) -> None:
        assert self._problems(seeds, {"payments_pattern": "YYYY-MM-DD_toku_c*"}) == [
            "organizations.csv, row 2, column payments_pattern: 'YYYY-MM-DD_toku_c*' is not"
            " allowed; allowed: a pattern that takes no file of customers,"
            " 'YYYY-MM-DD_toku_customers.xlsx'"
        ]

    @pytest.mark.parametrize(
        ("invoices", "payments"),
        [
            ("*cobranza*YYYYMMDD*.csv", "*pagos*YYYYMMDD*.csv"),
            ("YYYY-MM-DD_d*.csv", "YYYY-MM-DD_p*.csv"),
            ("YYYYMMDD.csv", "YYYYMMDD.p.csv"),
            # Debts files are looked for first.
            ("deudas_YYYYMMDD.csv", "*_YYYYMMDD.*"),
        ],
    )
    def test_patterns_of_other_names_are_read(self, seeds, invoices, payments) -> None:
        patterns = {"invoices_pattern": invoices, "payments_pattern": payments}
        assert self._problems(seeds, patterns) == []

    def test_what_was_kept_for_a_load_is_read_though_it_would_be_refused_today(self, seeds) -> None:
        write_organizations(seeds, ROW | {"invoices_pattern": "*YYYY-MM-DD*"})
        assert len(read_organizations(seeds)) == 1


class TestFolders:
    """No two folders of one server are one, or inside one another (R11)."""

    def _problems(self, seeds: Path, *rows: Mapping[str, str]) -> list[str]:
        write_organizations(
            seeds,
            *(
                ROW | {"organization_id": f"company_{number}"} | row
                for number, row in enumerate(rows, start=1)
            ),
        )
        write_aliases(seeds)
        try:
            read_contracts(seeds)
        except ContractError as error:
            return str(error).splitlines()
        return []

    @pytest.mark.parametrize(
        "path",
        ["in", "in/", "./in", "/in", "//in", "x/../in", "in/.", "x/./../in//", "y/../x/../in"],
    )
    def test_one_folder_for_two_things_is_named_however_it_is_written(self, seeds, path) -> None:
        one, two = {"inbox_dir": "in", "outbox_dir": "out"}, {"outbox_dir": "b"}
        wrong = f"{path!r} is not allowed; allowed: a folder that is neither 'in' nor inside it,"
        assert self._problems(seeds, one, two | {"inbox_dir": path}) == [
            f"organizations.csv, row 3, column inbox_dir: {wrong} which is inbox_dir of row 2"
        ]
        assert self._problems(seeds, one, {"inbox_dir": "a", "outbox_dir": path}) == [
            f"organizations.csv, row 3, column outbox_dir: {wrong} which is inbox_dir of row 2"
        ]
        assert self._problems(seeds, one | {"outbox_dir": path}) == [
            f"organizations.csv, row 2, column outbox_dir: {wrong} which is inbox_dir of row 2"
        ]

    def test_a_folder_inside_another_is_named_with_the_one_around_it(self, seeds) -> None:
        allowed = "a folder that is neither"
        assert self._problems(
            seeds,
            {"inbox_dir": "a/b/c", "outbox_dir": "out"},
            {"inbox_dir": "a/", "outbox_dir": "out/d/e"},
            {"inbox_dir": "a2", "outbox_dir": "outer"},
        ) == [
            "organizations.csv, row 2, column inbox_dir: 'a/b/c' is not allowed; allowed:"
            f" {allowed} 'a/' nor inside it, which is inbox_dir of row 3",
            "organizations.csv, row 3, column outbox_dir: 'out/d/e' is not allowed; allowed:"
            f" {allowed} 'out' nor inside it, which is outbox_dir of row 2",
        ]

    def test_the_first_folder_of_a_server_is_around_all_others(self, seeds) -> None:
        for path in (".", "/", "in/.."):
            assert self._problems(seeds, {"inbox_dir": path, "outbox_dir": "out"}) == [
                "organizations.csv, row 2, column outbox_dir: 'out' is not allowed; allowed:"
                f" a folder that is neither {path!r} nor inside it, which is inbox_dir of row 2"
            ]

    def test_the_same_path_of_another_server_or_user_is_another_folder(self, seeds) -> None:
        assert (
            self._problems(
                seeds, {}, {"sftp_host": "127.0.0.2"}, {"sftp_port": "22"}, {"sftp_username": "u"}
            )
            == []
        )
        (problem,) = self._problems(
            seeds,
            {"sftp_host": "Sftp.Example.com."},
            {"sftp_host": "sftp.example.com", "inbox_dir": "b"},
        )
        assert problem.startswith("organizations.csv, row 3, column outbox_dir: 'lumina/outbox'")

    def test_what_was_kept_for_a_load_is_read_though_it_would_be_refused_today(self, seeds) -> None:
        write_organizations(seeds, ROW | {"outbox_dir": "lumina/inbox/out"})
        assert [each.outbox_dir for each in read_organizations(seeds)] == ["lumina/inbox/out"]


class TestColumnAliases:
    """column_aliases.csv."""

    def test_an_alias_is_found_whatever_its_case_accents_and_punctuation(self, seeds: Path) -> None:
        write_aliases(seeds, ",invoices,Número de Póliza,product_id")
        aliases = read_column_aliases(seeds)
        names = ["numero_de_poliza", "NÚMERO DE PÓLIZA", " Número-de.póliza: ", "Numero de Poliza"]
        assert {aliases.field("lumina", "invoices", name) for name in names} == {"product_id"}

    def test_an_alias_of_an_organization_beats_the_general_one_for_it_alone(
        self, seeds: Path
    ) -> None:
        write_aliases(seeds, ",invoices,folio,product_id", "lumina,invoices,folio,customer_id")
        aliases = read_column_aliases(seeds)
        assert aliases.field("lumina", "invoices", "Folio") == "customer_id"
        assert aliases.field("andes_seguros", "invoices", "Folio") == "product_id"

    def test_an_alias_of_an_organization_means_nothing_to_another(self, seeds: Path) -> None:
        write_aliases(seeds, "lumina,invoices,medidor,product_id")
        aliases = read_column_aliases(seeds)
        assert aliases.field("lumina", "invoices", "medidor") == "product_id"
        assert aliases.field("andes_seguros", "invoices", "medidor") is None

    def test_an_alias_holds_for_its_kind_of_file_only(self, seeds: Path) -> None:
        write_aliases(seeds, ",payments,fecha,paid_on")
        aliases = read_column_aliases(seeds)
        assert aliases.field("lumina", "payments", "fecha") == "paid_on"
        assert aliases.field("lumina", "invoices", "fecha") is None

    def test_every_problem_of_the_aliases_is_reported_at_once(self, seeds: Path) -> None:
        write_aliases(
            seeds,
            ",debts,rut,customer_id",
            ",customers,monto,amount",
            ",payments,Fecha,paid_on",
            ",payments,FECHA,due_date",
            ",payments,***,due_date",
            ",payments,fecha,paid_on",
            "too,short",
        )
        assert sorted(alias_problems_of(seeds)) == [
            "column_aliases.csv, row 2, column file_kind: 'debts' is not allowed;"
            " allowed: invoices or payments or customers",
            "column_aliases.csv, row 3, column field: 'amount' is not allowed;"
            " allowed: customer_id or name or mail or check_digit",
            "column_aliases.csv, row 5, column alias: 'FECHA' is not allowed;"
            " allowed: a name with letters or digits that means one field",
            "column_aliases.csv, row 6, column alias: '***' is not allowed;"
            " allowed: a name with letters or digits that means one field",
            "column_aliases.csv, row 8: 2 columns; allowed: 4 as in the header",
        ]

    def test_an_alias_of_an_organization_without_contract_is_reported(self, seeds: Path) -> None:
        write_aliases(seeds, "lumnia,invoices,medidor,product_id", "lumina,invoices,nis,product_id")
        assert alias_problems_of(seeds) == [
            "column_aliases.csv, row 2, column organization_id: 'lumnia' is not allowed;"
            " allowed: nothing or an id that organizations.csv has"
        ]

    @pytest.mark.parametrize(
        ("kind", "meanings"),
        [
            (
                "invoices",
                {
                    "government_id": "customer_id",
                    "external_id": "customer_id",
                    "RUT cliente": "customer_id",
                    "product_id": "product_id",
                    "Código producto": "product_id",
                    "due_date": "due_date",
                    "Fecha de vencimiento": "due_date",
                    "amount": "amount",
                    "Monto": "amount",
                    "is_paid": "is_paid",
                    "Pagada": "is_paid",
                    "is_void": "is_void",
                    "Anulada": "is_void",
                    "name": "name",
                    "Nombre": "name",
                    "mail": "mail",
                    "E-mail": "mail",
                    "Sucursal": None,
                },
            ),
            (
                "payments",
                {
                    "Rut": "customer_id",
                    "Producto": "product_id",
                    "Vencimiento": "due_date",
                    "Monto pagado": "amount",
                    "Canal de pago": "channel",
                    "Fecha de pago": "paid_on",
                    "is_paid": None,
                },
            ),
            (
                "customers",
                {
                    "RUT": "customer_id",
                    "Nombre": "name",
                    "Correo electrónico": "mail",
                    "Monto": None,
                },
            ),
        ],
    )
    def test_the_usual_spanish_and_english_headers_are_known(
        self, kind: str, meanings: Mapping[str, str | None]
    ) -> None:
        aliases = read_column_aliases(SEEDS)
        assert {header: aliases.field("lumina", kind, header) for header in meanings} == meanings

    @pytest.mark.parametrize("kind", FIELDS)
    def test_every_field_can_be_given_by_its_own_name(self, kind: str) -> None:
        aliases = read_column_aliases(SEEDS)
        found = {field: aliases.field("", kind, field) for field in FIELDS[kind]}
        assert found == {field: field for field in FIELDS[kind]}


class TestHeaderNames:
    """What counts in a header name."""

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("Fecha de Vencimiento", "fecha_de_vencimiento"),
            ("  N° Póliza / Año ", "n_poliza_ano"),
            ("e-mail", "e_mail"),
            ("\ufeffRUT", "rut"),
            ("Número", "numero"),
            ("Nu\u0301mero", "numero"),
            ("***", ""),
            ("", ""),
        ],
    )
    def test_a_name_loses_case_accents_and_punctuation(self, text: str, name: str) -> None:
        assert normalize_header(text) == name

    @given(st.text())
    def test_any_text_becomes_plain_words_that_stay_as_they_are(self, text: str) -> None:
        name = normalize_header(text)
        assert all(word.isascii() and word.isalnum() for word in name.split("_")) or name == ""
        assert name == name.lower()
        assert normalize_header(name) == name

    @given(st.text("aábcdeéfghiíjklmnñoópqrstuúüvwxyz0123456789 _-.()"))
    def test_upper_case_is_the_same_name(self, text: str) -> None:
        assert normalize_header(text.upper()) == normalize_header(text)


# Whatever stands in a pattern beside the tokens stands for itself, so it must not form one.
def with_cutoff(cutoff: time, time_zone: ZoneInfo = SANTIAGO) -> Organization:
    return Organization(**{**vars(LUMINA), "cutoff_time": cutoff, "time_zone": time_zone})


class TestCutOff:
    """In Santiago clocks go back on 2026-04-04 at 24:00 and forward on 2026-09-05 at 24:00."""

    @pytest.mark.parametrize(
        ("business_date", "cutoff", "instant"),
        [
            # an ordinary day of summer and of winter
            (date(2026, 1, 15), time(5), datetime(2026, 1, 15, 8, tzinfo=UTC)),
            (date(2026, 7, 15), time(5), datetime(2026, 7, 15, 9, tzinfo=UTC)),
            # the mornings before and after clocks go back, and the hour that comes twice
            (date(2026, 4, 4), time(5), datetime(2026, 4, 4, 8, tzinfo=UTC)),
            (date(2026, 4, 5), time(5), datetime(2026, 4, 5, 9, tzinfo=UTC)),
            (date(2026, 4, 4), time(23, 30), datetime(2026, 4, 5, 2, 30, tzinfo=UTC)),
            (date(2026, 4, 5), time(0), datetime(2026, 4, 5, 4, tzinfo=UTC)),
            # the mornings before and after clocks go forward, and the hour that never comes
            (date(2026, 9, 5), time(5), datetime(2026, 9, 5, 9, tzinfo=UTC)),
            (date(2026, 9, 6), time(5), datetime(2026, 9, 6, 8, tzinfo=UTC)),
            (date(2026, 9, 6), time(0, 30), datetime(2026, 9, 6, 4, 30, tzinfo=UTC)),
            (date(2026, 9, 6), time(1), datetime(2026, 9, 6, 4, tzinfo=UTC)),
        ],
    )
    def test_a_date_is_due_from_its_cut_off_on(
        self, business_date: date, cutoff: time, instant: datetime
    ) -> None:
        organization = with_cutoff(cutoff)
        moments = [instant - timedelta(microseconds=1), instant, instant + timedelta(hours=2)]
        assert [is_due(organization, business_date, now) for now in moments] == [False, True, True]

    def test_the_hour_that_comes_twice_does_not_take_back_what_was_due(self) -> None:
        organization = with_cutoff(time(23, 30))
        second_time = datetime(2026, 4, 4, 23, 10, fold=1, tzinfo=SANTIAGO)
        assert is_due(organization, date(2026, 4, 4), second_time)
        assert not is_due(organization, date(2026, 4, 4), second_time.replace(fold=0))

    def test_the_cut_off_is_in_the_time_zone_of_the_organization(self) -> None:
        now = datetime(2026, 7, 15, 8, 30, tzinfo=UTC)
        far_south = with_cutoff(time(5), ZoneInfo("America/Punta_Arenas"))
        assert is_due(far_south, date(2026, 7, 15), now)
        assert not is_due(with_cutoff(time(5)), date(2026, 7, 15), now)

    def test_past_dates_are_due_and_the_next_is_not(self) -> None:
        now = datetime(2026, 3, 2, 5, tzinfo=SANTIAGO)
        days = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)]
        assert [is_due(LUMINA, day, now) for day in days] == [True, True, False]

    @given(
        st.sampled_from([date(2026, 4, 4), date(2026, 4, 5), date(2026, 9, 5), date(2026, 9, 6)]),
        st.times(),
        st.lists(st.integers(0, 4 * 24 * 60), min_size=2),
        st.sampled_from([UTC, SANTIAGO, ZoneInfo("Asia/Tokyo")]),
    )
    def test_what_is_due_stays_due_whatever_clock_tells_the_time(
        self, business_date: date, cutoff: time, minutes: list[int], time_zone: ZoneInfo
    ) -> None:
        organization = with_cutoff(cutoff)
        begin = datetime.combine(business_date - timedelta(days=1), time(0), UTC)
        instants = [begin + timedelta(minutes=minute) for minute in sorted(minutes)]
        answers = [is_due(organization, business_date, instant) for instant in instants]
        assert answers == sorted(answers)
        local = [instant.astimezone(time_zone) for instant in instants]
        assert answers == [is_due(organization, business_date, instant) for instant in local]


class TestSeedsOfPayments:
    """payment_statuses.csv and payment_channels.csv (R21, R22, R25)."""

    def test_each_raw_status_is_in_lower_case_and_has_one_meaning(self) -> None:
        rows = read_seed("payment_statuses.csv")
        names = [row["raw_status"] for row in rows]
        assert names == [name.strip().lower() for name in names]
        assert len(names) == len(set(names))
        meanings = {"in_process", "authorized", "rejected", "reversed"}
        assert {row["status"] for row in rows} == meanings
        assert meanings <= set(names)

    def test_each_raw_channel_is_in_lower_case_and_has_a_label_and_a_norm(self) -> None:
        rows = read_seed("payment_channels.csv")
        names = [row["raw_channel"] for row in rows]
        assert names == [name.strip().lower() for name in names]
        assert len(names) == len(set(names))
        assert all(row["label"].strip() == row["label"] != "" for row in rows)
        assert {row["takes_days"] for row in rows} == {"true", "false"}
        assert all(row["normal_business_days"].isdecimal() for row in rows)

    def test_a_channel_that_takes_days_has_a_norm_of_days(self) -> None:
        # A norm of none would report each such payment as late on its first day (R25).
        rows = read_seed("payment_channels.csv")
        slow = {
            row["raw_channel"]: int(row["normal_business_days"])
            for row in rows
            if row["takes_days"] == "true"
        }
        assert slow == {"pac": 3, "pat": 2}

    def test_the_words_are_read_with_their_meanings(self) -> None:
        words = read_event_words(SEEDS)
        for name, read in (
            ("payment_channels", words.channels),
            ("payment_statuses", words.payment_statuses),
            ("enrollment_statuses", words.enrollment_statuses),
        ):
            rows = [list(row.values())[:2] for row in read_seed(f"{name}.csv")]
            assert list(map(list, read.items())) == rows

    @pytest.mark.parametrize(
        ("rows", "problems"),
        [
            ("pac,PAC,true,0", ["'0' is not allowed; allowed: a number from 1 to 99 where"
                                " takes_days is true"]),
            ("pac,PAC,true,", ["'' is not allowed; allowed: a number from 1 to 99 where"
                               " takes_days is true"]),
            ("webpay,Webpay,False,5", ["'5' is not allowed; allowed: 0 or 1 where takes_days is"
                                       " false"]),
            ("pac,PAC,true,3\ncargo,PAC,true,4", ["'4' is not allowed; allowed: 3 as in row 2,"
                                                  " which has the same label"]),
            ("pac,PAC,TRUE,3\ncargo,PAC,true,3\nwebpay,Webpay,false,0\nred,Red,false,1", []),
        ],
    )  # fmt: skip
    def test_how_long_a_channel_takes_is_said_without_contradiction(
        self, seeds: Path, rows: str, problems: list[str]
    ) -> None:
        (seeds / "payment_channels.csv").write_text(
            f"raw_channel,label,takes_days,normal_business_days\n{rows}\n"
        )
        line = rows.count("\n") + 2
        place = f"payment_channels.csv, row {line}, column normal_business_days: "
        try:
            read_contracts(seeds)
            found = []
        except ContractError as error:
            found = str(error).splitlines()
        assert found == [place + problem for problem in problems]

    def test_whether_a_channel_takes_days_is_yes_or_no(self, seeds: Path) -> None:
        (seeds / "payment_channels.csv").write_text(
            "raw_channel,label,takes_days,normal_business_days\nwebpay,Webpay,perhaps,0\n"
        )
        with pytest.raises(ContractError) as raised:
            read_contracts(seeds)
        assert str(raised.value) == (
            "payment_channels.csv, row 2, column takes_days: 'perhaps' is not allowed;"
            " allowed: true or false"
        )

    def test_every_problem_of_the_words_is_reported_at_once(self, seeds: Path) -> None:
        (seeds / "payment_channels.csv").write_text(
            "raw_channel,label,takes_days,normal_business_days\nwebpay, ,false,0\n"
        )
        (seeds / "payment_statuses.csv").write_text(
            "raw_status,status\npaid,autorized\nPaid,authorized\nheld,in_process\nheld,rejected\n"
        )
        (seeds / "enrollment_statuses.csv").write_text("raw_status,status\n,active\n")
        with pytest.raises(ContractError) as raised:
            read_contracts(seeds)
        states = "in_process or authorized or rejected or reversed"
        word = "a word in lower case that no other row has"
        assert str(raised.value).splitlines() == [
            "payment_channels.csv, row 2, column label: ' ' is not allowed; allowed: a text",
            "payment_statuses.csv, row 2, column status: 'autorized' is not allowed;"
            f" allowed: {states}",
            "payment_statuses.csv, row 3, column raw_status: 'Paid' is not allowed;"
            f" allowed: {word}",
            "payment_statuses.csv, row 5, column raw_status: 'held' is not allowed;"
            f" allowed: {word}",
            "enrollment_statuses.csv, row 2, column raw_status: '' is not allowed;"
            f" allowed: {word}",
        ]


class TestAllowedValues:
    """What the code and the tests of the seeds must agree on."""

    def test_the_tests_of_the_seeds_allow_what_the_code_allows(self) -> None:
        seeds = [
            seed
            for path in (PROJECT / "models/seeds").glob("*.yml")
            for seed in yaml.safe_load(path.read_text(encoding="utf-8"))["seeds"]
        ]
        allowed = {
            (seed["name"], column["name"]): tuple(arguments["arguments"]["values"])
            for seed in seeds
            for column in seed.get("columns", [])
            for test in column.get("data_tests", [])
            for kind, arguments in test.items()
            if kind.endswith("accepted_values")
            and seed["name"]
            in {"organizations", "column_aliases", "payment_statuses", "enrollment_statuses"}
        }
        assert allowed == {
            ("organizations", "customer_id_scheme"): organizations.CUSTOMER_ID_SCHEMES,
            ("organizations", "update_mode"): organizations.UPDATE_MODES,
            ("organizations", "payment_flow"): organizations.PAYMENT_FLOWS,
            ("organizations", "date_format"): organizations.DATE_FORMATS,
            ("organizations", "decimal_separator"): organizations.DECIMAL_SEPARATORS,
            ("column_aliases", "file_kind"): tuple(FIELDS),
            ("payment_statuses", "status"): event_words.PAYMENT_STATES,
            ("enrollment_statuses", "status"): event_words.ENROLLMENT_STATES,
        }

    def test_required_columns_are_fields(self) -> None:
        assert set(REQUIRED) == set(FIELDS)
        assert all(set(REQUIRED[kind]) <= set(FIELDS[kind]) for kind in FIELDS)
