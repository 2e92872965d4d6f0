"""Comparing a warehouse with what the oracle says of the histories that it was built from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pytest

from orchestration.installation import warehouse
from orchestration.installation.home import Home
from tests.orchestration.histories import History, describe
from tests.orchestration.oracle import Outcome

Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Told:
    """Histories that a warehouse was built from, and what the oracle says of each load."""

    home: Home
    histories: Sequence[History]
    outcomes: Sequence[Sequence[Outcome]]

    @property
    def load_count(self) -> int:
        return len(self.histories[0].loads)


_COMPARED = """
select
    debts.organization_id, customer_id, product_id, due_date, amount, debts.currency, status,
    is_in_base, kept_because, attributes, file_status, files.load_id, files.file_name, payment_id
from debts
left join raw.intake_files as files on debts.first_file_id = files.file_id
order by debts.organization_id, customer_id, product_id, due_date
"""

_VERDICTS = """
select organization_id, load_id, file_name, status, code
from intake_files
order by all
"""

_LINES = """
select
    organization_id, business_date, line_number, payment_id, main.normal_id(customer_id),
    main.normal_id(product_id), due_date, status, amount, currency
from payments_file_lines
order by all
"""

_EXCEPTIONS = """
select
    organization_id, code,
    case when code = 'listed_after_paid' then '' else coalesce(payment_id, '') end as payment_id,
    main.normal_id(customer_id) as customer_id,
    main.normal_id(product_id) as product_id,
    due_date,
    case when code = 'unpublished_money' then currency else '' end as currency,
    load_id, is_open
from payment_exceptions
inner join raw.loads on payment_exceptions.opened_at = loads.loaded_at
order by all
"""

_REFUSED = """
select organization_id, load_id, file_name, line_number, code
from intake_rejections
order by all
"""


def assert_as_the_oracle_says(told: Told, number: int) -> None:
    said = [
        (history, outcomes[number - 1])
        for history, outcomes in zip(told.histories, told.outcomes, strict=True)
    ]
    found_of = query_all(told.home, [sql for sql, _ in _TABLES.values()])
    tables = {
        name: (found, [row for each in said for row in rows_of(*each)])
        for (name, (_, rows_of)), found in zip(_TABLES.items(), found_of, strict=True)
    }
    debts, expected_debts = tables["debts"]
    tables["debts"] = _as_debts(debts), expected_debts
    for table, (found, expected) in tables.items():
        extra, missing = set(found) - set(expected), set(expected) - set(found)
        if extra or missing or len(found) != len(expected):
            culprit = min(str(row[0]) for row in extra | missing)
            history = next(
                each for each in told.histories if each.contract.organization_id == culprit
            )
            story = describe(replace(history, loads=history.loads[:number]))
            pytest.fail(
                f"{table} after load {number} of {told.load_count};"
                f" organizations that differ: {len({row[0] for row in extra | missing})}\n"
                f"warehouse: {sorted(map(str, (r for r in extra if r[0] == culprit)))}\n"
                f"oracle:    {sorted(map(str, (r for r in missing if r[0] == culprit)))}\n{story}"
            )


def _as_debts(rows: Rows) -> Rows:
    return [(*row[:9], _as_attributes(row[9]), *row[10:]) for row in rows]


def _as_attributes(text: object) -> frozenset[tuple[str, str]]:
    return frozenset(json.loads(str(text)).items()) if text else frozenset()


def _debts_of(history: History, outcome: Outcome) -> Iterator[tuple[object, ...]]:
    for debt in outcome.debts.values():
        yield (
            history.contract.organization_id,
            debt.customer_id,
            debt.product_id,
            debt.due_date,
            debt.amount,
            debt.currency,
            debt.status,
            debt.is_in_base,
            debt.kept_because,
            frozenset((debt.attributes or {}).items()),
            debt.file_status,
            *debt.first_file,
            debt.payment_id,
        )


def _verdicts_of(history: History, outcome: Outcome) -> Iterator[tuple[object, ...]]:
    for reference, verdict in outcome.verdicts.items():
        yield (history.contract.organization_id, *reference, *verdict)


def _refused_of(history: History, outcome: Outcome) -> Iterator[tuple[object, ...]]:
    for reference, rows in outcome.refused_rows.items():
        for row in rows:
            yield (history.contract.organization_id, *reference, *row)


def _lines_of(history: History, outcome: Outcome) -> Iterator[tuple[object, ...]]:
    number_of = Counter[date]()
    for line in outcome.lines:
        number_of[line.business_date] += 1
        yield (
            history.contract.organization_id,
            line.business_date,
            number_of[line.business_date],
            line.payment_id,
            *line.key,
            *line[3:],
        )


def _exceptions_of(history: History, outcome: Outcome) -> Iterator[tuple[object, ...]]:
    for (code, payment_id, key, currency), opening in outcome.exceptions.items():
        yield (history.contract.organization_id, code, payment_id, *key, currency, *opening)


# What is compared: what the warehouse is asked, and what the oracle says of a load.
_TABLES = {
    "debts": (_COMPARED, _debts_of),
    "verdicts": (_VERDICTS, _verdicts_of),
    "refused rows": (_REFUSED, _refused_of),
    "lines of payments files": (_LINES, _lines_of),
    "exceptions": (_EXCEPTIONS, _exceptions_of),
}


def query(home: Home, sql: str) -> Rows:
    return query_all(home, [sql])[0]


def query_all(home: Home, queries: Iterable[str]) -> list[Rows]:
    """What each query gives, of a warehouse that is opened once, which takes longer than most."""
    with warehouse.reading(home) as connection:
        return [connection.execute(sql).fetchall() for sql in queries]
