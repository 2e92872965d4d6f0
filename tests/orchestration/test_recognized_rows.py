"""R32: a row that is the same as the one which brought its debt is recognized by its hash. Case by
case: which rows are read, and that all tables are as if every row had been.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.installation.home import PROJECT, Home
from orchestration.installation.project_yaml import published_tables
from tests.orchestration.building import dbt_output
from tests.orchestration.houses import Deposit, House, csv_of, event_of
from tests.orchestration.starting import lend_parse

HEADER = ("customer_id", "product_id", "due_date", "amount")
DUE = "2026-03-31"
A, B, C = ("A", "10"), ("B", "20"), ("C", "30")


def _file(*debts: tuple[str, ...], more: tuple[str, ...] = ()) -> bytes:
    """A file of one customer: product, amount and the cells of more columns of each debt."""
    rows = [("X", product, DUE, *cells) for product, *cells in debts]
    return csv_of([(*HEADER, *more), *rows])


FIRST = _file(A, B, C)
# What comes in the second and in the third load; the first brings A, B and C to everybody.
CASES: dict[str, tuple[bytes, bytes]] = {
    "same": (FIRST, FIRST),
    # of what is known, and of what is not
    "doubled": (_file(A, B, A, ("D", "40"), ("D", "40"), C), FIRST),
    "changed_above_and_below": (_file(A, ("A", "11"), ("B", "21"), B, C), FIRST),
    "withdrawn_void_and_paid": (
        _file(("A", "10", "true", ""), ("B", "20", "", "true"), more=("is_void", "is_paid")),
        FIRST,
    ),
    "kept_by_refused_rows": (_file(("A", "-1"), B, ("B", "-2"), ("C", "much")), FIRST),
    "refused_again": (_file(A, B, C, ("D", "much")), _file(A, B, C, ("D", "much"))),
    "columns_in_another_order": (
        csv_of([HEADER[::-1], *((each[1], DUE, each[0], "X") for each in (A, B, ("C", "31")))]),
        _file(A, B, ("C", "31")),
    ),
    "a_new_column": (_file((*A, "x"), (*B, ""), (*C, ""), more=("plan",)), FIRST),
    "spelled_otherwise": (_file(A, ("B", "20.00"), ("C ", "30")), _file(A, ("B", "20.00"), C)),
    "upserted": (_file(B, ("D", "40")), _file(A, B, ("D", "40"), ("D", "40"))),
    "paid_by_a_payment": (FIRST, FIRST),
    "under_another_contract": (FIRST, FIRST),
}
# Lines of the second and the third file that are read, and rows that are recognized.
READ: dict[str, tuple[tuple[list[int], int], tuple[list[int], int]]] = {
    "same": (([], 3), ([], 3)),
    "doubled": (([2, 4, 5, 6], 4), ([], 3)),
    "changed_above_and_below": (([2, 3, 4, 5], 3), ([2], 2)),
    "withdrawn_void_and_paid": (([2, 3], 0), ([2, 3, 4], 0)),
    "kept_by_refused_rows": (([2, 4, 5], 1), ([2, 4], 1)),
    "refused_again": (([5], 3), ([5], 3)),
    "columns_in_another_order": (([4], 2), ([], 3)),
    "a_new_column": (([2], 2), ([2], 2)),
    "spelled_otherwise": (([3, 4], 1), ([4], 2)),
    "upserted": (([3], 1), ([4, 5], 4)),
    "paid_by_a_payment": (([], 3), ([], 3)),
    "under_another_contract": (([], 3), ([2, 3, 4], 0)),
}


def _feed(root: Path, *options: str) -> tuple[House, list[dict[str, tuple[list[int], int]]]]:
    """Three loads of all cases, and what the second and the third read of each file."""
    contracts = {
        each: {"update_mode": "upsert" if each == "upserted" else "replace"} for each in CASES
    }
    house = House.make(root, contracts)
    paid = event_of(
        "paid_by_a_payment", 1, customer_id="X", product_id="A", due_date=DUE, amount=10
    )
    house.load(*(Deposit(each, FIRST) for each in CASES), events=[paid], options=options)
    seen = []
    for number in range(2):
        if number:
            house.change_contract("under_another_contract", decimal_separator=",")
        house.load(*(Deposit(each, CASES[each][number]) for each in CASES), options=options)
        seen.append({each: _looked_at(house, each) for each in CASES})
    return house, seen


def _looked_at(house: House, organization_id: str) -> tuple[list[int], int]:
    """The lines of the newest file that were read, and the number of rows that were recognized."""
    of_it = f"file_id in (select file_id from intake_files where load_id = {house.number}"
    of_it += f" and organization_id = '{organization_id}')"
    lines = house.query(
        f"select line_number from intermediate.int_invoices__checked where {of_it} order by 1"
    )
    rows = house.query(
        "select coalesce(sum(row_count), 0) from intermediate.int_invoices__recognized"
        f" where part = 'same' and {of_it}"
    )
    return [int(str(line)) for (line,) in lines], int(str(rows[0][0]))


@pytest.fixture(scope="module")
def by_hashes(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[House, list[dict[str, tuple[list[int], int]]]]:
    """All cases, as a day works."""
    return _feed(tmp_path_factory.mktemp("by_hashes"))


def test_the_rows_that_differ_are_read_and_no_others(by_hashes) -> None:
    _, seen = by_hashes
    assert seen == [{each: READ[each][number] for each in CASES} for number in range(2)]


def test_all_tables_are_as_if_every_row_had_been_read(by_hashes, tmp_path: Path) -> None:
    house, _ = by_hashes
    other, seen = _feed(tmp_path, "--vars", "{reads_every_row: true}")
    assert {rows for each in seen for _, rows in each.values()} == {0}
    assert house.tables(published_tables()) == other.tables(published_tables())


def test_rows_are_read_again_when_the_sql_of_a_rule_is_another(by_hashes) -> None:
    house, _ = by_hashes
    before = house.tables(published_tables())["debts"]
    one_currency_more = ("--vars", "{decimals_of_currencies: {XTS: 3}}")
    house.load(Deposit("same", FIRST), options=one_currency_more)
    assert _looked_at(house, "same") == ([2, 3, 4], 0)
    assert house.tables(published_tables())["debts"] == before
    house.load(Deposit("same", FIRST), options=one_currency_more)
    assert _looked_at(house, "same") == ([], 3)


# Changes in the SQL of the rules, each of which could give a row another meaning.
CHANGED_RULES = {
    "read_invoices": ("nullif({{ strip('joined.name') }}, '')", "joined.name"),
    "duckdb__compose": ("nfc_normalize({{ text }})", "{{ text }}"),
    "is_missing_id": ("'NULL', ", ""),
    "float_form": ("{3,}", "{4,}"),
    "code_invoices": ("amount < 0", "amount <= 0"),
    "find_repeated_keys": ("max(line_number)", "min(line_number)"),
    "check_invoices": ("'duplicate_key'", "'repeated_key'"),
}
_HASHES = """
import json, sys
from dbt.cli.main import dbtRunner

manifest = dbtRunner().invoke(["parse", "--quiet"]).result

def hash_rules():
    command = ["compile", "--quiet", "--no-write-json", "--inline", "{{ hash_rules() }}"]
    done = dbtRunner(manifest=manifest).invoke(command)
    assert done.success, done.exception
    return done.result.results[0].node.compiled_code

hashes = {"": hash_rules()}
for name, (former, latter) in json.loads(sys.argv[1]).items():
    macro = manifest.macros[f"macro.saldo.{name}"]
    kept = macro.macro_sql
    assert former in kept, name
    macro.macro_sql = kept.replace(former, latter)
    hashes[name] = hash_rules()
    macro.macro_sql = kept
hashes["as before"] = hash_rules()
print(json.dumps(hashes))
"""


def test_the_hash_of_a_row_covers_every_rule_that_decides_what_it_says(home: Home) -> None:
    lend_parse(home)
    done = subprocess.run(
        [sys.executable, "-c", _HASHES, json.dumps(CHANGED_RULES)],
        cwd=PROJECT,
        env={**os.environ, **home.environment()},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    hashes = json.loads(done.stdout.splitlines()[-1])
    assert hashes.pop("as before") == hashes[""]
    assert len(set(hashes.values())) == len(hashes) == len(CHANGED_RULES) + 1


def test_a_model_that_needs_all_rows_is_not_refreshed_by_itself(by_hashes) -> None:
    house, _ = by_hashes
    before = house.tables(published_tables())
    done = dbt_output(house.home, "run", "--full-refresh", "--select", "debts")
    assert done.returncode != 0
    assert (
        "debts cannot be refreshed by itself: it would keep the rows of the newest files alone."
        " Refresh everything: dbt build --full-refresh"
    ) in " ".join((done.stdout + done.stderr).split())
    assert house.tables(published_tables()) == before
