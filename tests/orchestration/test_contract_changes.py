"""A contract that changes how customers are named, or the currency, holds the next file (R11).

Andes Seguros sends its debts in `upsert` mode and names its customers in another way from the
second day on; Lumina sends all of them, in another currency.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation import warehouse
from orchestration.installation.home import Home
from orchestration.reports import terminal
from tests.orchestration.building import BUILD, run_dbt
from tests.orchestration.comparing import query_all
from tests.orchestration.installations import Installed, Rows, install
from tests.orchestration.starting import copy_warehouse, lend_parse

HELD = """
select organization_id, file_id, withdrawn_count
from intake_files
where code = 'contract_changed'
order by organization_id
"""
STATUSES = """
select organization_id, status, currency, count(*)
from debts
where organization_id in ('andes_seguros', 'lumina')
group by all
order by all
"""
STATES = """
select * exclude (updated_at, version_file_id, version_line_number)
from debts
order by debt_id
"""
ACCOUNTS = "select * from customer_accounts order by all"
HISTORY = "select * exclude (dbt_scd_id) from debts_history order by debt_id, dbt_valid_from"


Before = tuple[Rows, Rows, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The first day, and the second under the new contracts."""
    with install(tmp_path_factory.mktemp("contracts"), Installed, days=1) as installed:
        path = installed.home.seeds / "organizations.csv"
        text = path.read_text("utf-8")
        text = text.replace("Andes Seguros,CL,rut", "Andes Seguros,CL,external_id")
        text = text.replace("replace,in_process,,,,127", "replace,in_process,USD,,,127")
        path.write_text(text, "utf-8")
        installed.upload(DAYS[1])
        result = installed.command("run", "--date", DAYS[1].isoformat())
        assert result.returncode == 1, result.stdout + result.stderr
        yield installed


def _held(installed: Installed) -> Rows:
    return installed.query(HELD)


@pytest.fixture(scope="module")
def before(changed: Installed) -> Before:
    """The held files, the debts, and what `held` says before anything is decided."""
    return _held(changed), changed.query(STATUSES), changed.command("held")


@pytest.fixture(scope="module")
def approved(changed: Installed, before: Before) -> Rows:
    """The debts once both files are approved."""
    for _, file_id, _ in before[0]:
        result = changed.command("approve", str(file_id))
        assert "applied" in result.stdout, result.stdout + result.stderr
    return changed.query(STATUSES)


def test_the_first_files_under_the_new_contracts_are_held_and_change_nothing(
    before: Before,
) -> None:
    held, debts, shown = before
    assert [organization_id for organization_id, *_ in held] == ["andes_seguros", "lumina"]
    assert {currency for _, _, currency, _ in debts} == {"CLP"}
    assert {(name, status) for name, status, *_ in debts} == {
        *(("andes_seguros", status) for status in ("pending", "paid")),
        *(("lumina", status) for status in ("pending", "paid", "in_process")),
    }
    assert shown.returncode == 1
    for _, file_id, withdrawn in held:
        (row,) = [line.split() for line in shown.stdout.splitlines() if f"{file_id} " in line][:1]
        assert row[5] == str(withdrawn)
    assert shown.stdout.count("otro tipo de identificador u otra moneda") == 2


def test_what_the_former_scheme_named_is_withdrawn_by_the_approval(
    changed: Installed, before: Before, approved: Rows
) -> None:
    ((_, file_id, withdrawn), _) = before[0]
    assert withdrawn > 0
    assert changed.query(
        "select count(*) from debts where organization_id = 'andes_seguros'"
        f" and is_in_base and version_file_id <> '{file_id}'"
    ) == [(0,)]
    # one of those that would have been withdrawn was paid in the load that held the file
    assert [row for row in approved if row[:2] == ("andes_seguros", "withdrawn")] == [
        ("andes_seguros", "withdrawn", "CLP", withdrawn - 1)
    ]


def test_what_is_in_process_stays_and_so_does_the_debt_of_a_refused_row(approved: Rows) -> None:
    """R4, R5: all else that can be charged is in the new currency."""
    former = [row[1:] for row in approved if row[0] == "lumina" and row[2] == "CLP"]
    assert ("in_process", "CLP", 1) in former
    assert ("pending", "CLP", 1) in former


def test_the_report_of_a_day_adds_no_two_currencies(changed: Installed, approved: Rows) -> None:
    """R12: what stays in the former currency is counted beside the amount."""
    amount, others = changed.query(
        "select sum(amount) filter (currency = 'USD'), count(*) filter (currency <> 'USD')"
        " from debts where organization_id = 'lumina' and is_in_base"
    )[0]
    assert others
    assert changed.query(
        "select business_date, currency, base_amount, other_currency_count from organization_days"
        f" where organization_id = 'lumina' and business_date = '{DAYS[1]}'"
    ) == [(DAYS[1], "USD", amount, others)]
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    with warehouse.connect(changed.home) as connection:
        terminal.show_day(console, connection, changed.home, DAYS[1], 0)
    afterwards = printed.getvalue().partition("the debts afterwards")[2]
    (line,) = [each for each in afterwards.splitlines() if each.lstrip().startswith("lumina")][:1]
    assert f"{amount:,.2f} ({others} in other currencies)" in line


@pytest.fixture(scope="module")
def third_day(changed: Installed, approved: Rows) -> Installed:
    """The installation after the next day, under the same contracts."""
    changed.upload(DAYS[2])
    changed.command("run", "--date", DAYS[2].isoformat())
    return changed


def test_the_next_file_is_like_any_other(third_day: Installed) -> None:
    assert _held(third_day) == []
    assert third_day.query(
        "select organization_id, status from intake_files where kind = 'invoices'"
        f" and business_date = '{DAYS[2]}' and organization_id <> 'colegio_pehuen'"
    ) == [("lumina", "applied")]


def test_a_full_refresh_gives_the_same_debts_and_history(
    third_day: Installed, tmp_path: Path
) -> None:
    """R9."""
    copy = Home(tmp_path / "home", third_day.home.seeds)
    copy.create()
    lend_parse(copy)
    copy_warehouse(third_day.home, copy)
    run_dbt(copy, *BUILD, "--full-refresh")
    queries = (STATES, HISTORY, ACCOUNTS)
    assert query_all(copy, queries) == query_all(third_day.home, queries)


def test_a_replay_gives_the_same_debts_and_history(third_day: Installed) -> None:
    """R10: the bookkeeping columns, too."""
    every_column = "select * from debts order by debt_id"
    before = [third_day.query(sql) for sql in (every_column, HISTORY, ACCOUNTS)]
    result = third_day.command("replay")
    assert result.returncode == 0, result.stdout + result.stderr
    assert [third_day.query(sql) for sql in (every_column, HISTORY, ACCOUNTS)] == before
